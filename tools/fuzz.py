"""
Coverage-guided fuzzing of what strangers' bytes reach first.

Every reader of :mod:`tools.fuzz_targets` but the recognizer, which
``tools/worst.py`` tries. A deliberate refusal is a good answer; anything else
that is raised, a hang of 10 s or memory over 2 GiB is a finding, kept in
``build/fuzz/TARGET`` to be replayed with ``tools/fuzz.py --replay FILE`` and to
become a test. The corpus of each target stays in ``build/fuzz/TARGET/corpus``, so
the next run begins where this one ended.
"""

import argparse
import importlib
import importlib.util
import re
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from tools.fuzz_targets import TARGETS as ALL  # noqa: E402
from tools.fuzz_targets import guarded, seeds  # noqa: E402

TARGETS = {name: one for name, one in ALL.items() if name != 'recognizer'}
MODULES = {  # of a target: what is instrumented, besides what that imports
    **dict.fromkeys(('compressed', 'raw'), 'codec'),
    **dict.fromkeys(('model_yaml', 'onnx'), 'model_package'),
    'labels_csv': 'labels',
    'actions': 'navigation.actions',
    **dict.fromkeys(('metadata', 'mcap', 'packed', 'sqlite', 'ros1'), 'bags.reader'),
}
OUTPUT = Path('build/fuzz')
LATE_S = 300  # a target that runs on for so long after its time is ended; on a busy machine
LOOK_S = 0.5
# What libFuzzer says of itself: `#70057 DONE   cov: 46 ft: 236 corp: 75/2688b lim: ...`.
STATUS = re.compile(r'#(\d+)\s+\w+\s+cov: (\d+) ft: (\d+)(?: corp: (\d+)/(\w+))?')
UNITS = re.compile(r'number_of_executed_units:\s*(\d+)')


@dataclass
class Outcome:
    """
    What libFuzzer says of one target, kept up to date while it runs.

    :param inputs: how many were tried.
    :param coverage: branches reached, ``cov`` of libFuzzer.
    :param features: ways of reaching them, its ``ft``.
    :param corpus: inputs kept, each for something that no other reaches.
    :param corpus_size: of all of them, as libFuzzer writes it.
    :param tail: its last lines.
    """

    inputs: int = 0
    coverage: int = 0
    features: int = 0
    corpus: int = 0
    corpus_size: str = '0b'
    finding: bool = False
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=30))

    def read(self, lines: Iterable[str]) -> None:
        """Take libFuzzer's lines as they come."""
        for line in lines:
            self.tail.append(line.rstrip())
            if found := STATUS.match(line):
                self.inputs, self.coverage, self.features = map(int, found.group(1, 2, 3))
                if found.group(4):
                    self.corpus, self.corpus_size = int(found.group(4)), found.group(5)
            elif found := UNITS.search(line):
                self.inputs = int(found.group(1))

    def __str__(self) -> str:
        """Return the counts in one line."""
        return (
            f'{self.inputs} inputs, coverage {self.coverage}, features {self.features}, '
            f'corpus of {self.corpus} inputs in {self.corpus_size}'
        )


def run_target(target: str, seconds: int) -> Outcome:
    """Fuzz one target in a process of its own, showing how far it is."""
    from tools.progress import Progress

    corpus, found = OUTPUT / target / 'corpus', OUTPUT / target
    corpus.mkdir(parents=True, exist_ok=True)
    for index, seed in enumerate(seeds(target)):
        (corpus / f'seed{index}').write_bytes(seed)
    words = [
        sys.executable,
        __file__,
        '--child',
        target,
        str(corpus),
        f'-artifact_prefix={found}/',
        f'-max_total_time={seconds}',
        '-timeout=10',
        '-rss_limit_mb=2048',
        '-max_len=16384',
        '-print_final_stats=1',
        '-verbosity=1',
    ]
    outcome = Outcome()
    with (
        subprocess.Popen(
            words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors='replace'
        ) as process,
        Progress(target, seconds) as progress,
    ):
        reader = threading.Thread(target=outcome.read, args=(process.stderr,))
        reader.start()
        end_s = time.monotonic() + seconds + LATE_S
        try:
            while (code := process.poll()) is None and time.monotonic() < end_s:
                progress.show(str(outcome))
                time.sleep(LOOK_S)
        finally:
            process.kill()
            reader.join()
    if code is None:
        outcome.tail.append(f'{target} did not end {LATE_S} s after its time')
    outcome.finding = code != 0
    return outcome


def child(target: str, arguments: list[str]) -> None:
    """Run libFuzzer's loop on one target; does not return."""
    import atheris

    with atheris.instrument_imports(include=['alexnet_ros']):
        importlib.import_module(f'alexnet_ros.{MODULES[target]}')
    one = guarded(TARGETS[target])
    atheris.Setup([sys.argv[0], *arguments], one)
    atheris.Fuzz()


def main() -> int:
    """Fuzz all targets, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, add_help=True)
    parser.add_argument('--seconds', type=int, default=2400, help='for all targets together')
    parser.add_argument('--target', choices=tuple(TARGETS), action='append')
    parser.add_argument('--replay', type=Path, help='run one kept input, with --target')
    args = parser.parse_args()
    targets = args.target or list(TARGETS)
    if args.replay:
        guarded(TARGETS[targets[0]])(args.replay.read_bytes())
        print(f'{args.replay}: no finding')
        return 0
    if importlib.util.find_spec('atheris') is None:
        print(
            'atheris is not installed; it has wheels for Linux on x86-64 only '
            '(tools/requirements/fuzz.txt)',
            file=sys.stderr,
        )
        return 1
    findings = 0
    for target in targets:
        outcome = run_target(target, max(1, args.seconds // len(targets)))
        findings += outcome.finding
        if outcome.finding:
            print('\n'.join(outcome.tail), file=sys.stderr)
        print(
            f'{target}: {outcome}, {"a FINDING" if outcome.finding else "no finding"}', flush=True
        )
    return 1 if findings else 0


if __name__ == '__main__':
    if sys.argv[1:2] == ['--child']:
        child(sys.argv[2], sys.argv[3:])
    sys.exit(main())
