"""
Look for the input that costs each reader most: processor time, then memory.

Beginning with good inputs the dearest so far are altered: bytes, numbers,
repeated and nested pieces. Every trial runs in a forked child with limits, so
that a crash, a hang or gigabytes are seen and do no harm. What costs more than
the budget of its reader is kept in ``build/fuzz/TARGET`` and makes the exit
status 1; the dearest inputs of all are kept beside it and begin the next run.
"""

import argparse
import os
import random
import resource
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tools.fuzz_targets import TARGETS, dear, guarded, seeds

OUTPUT = Path('build/fuzz')
MIB = 1 << 20
LIMIT_S = 20  # of processor time
WAIT_S = 900  # for what waits for ever; a busy machine lets others wait long
LIMIT_BYTES = 3 << 30
MOST = 4 << 20  # bytes of an input
KEPT = 12


@dataclass(frozen=True)
class Budget:
    """
    What a reader may cost on this machine: at once, and for each byte of its input.

    :param factor: of a slow or busy machine, in which processor time is longer.
    """

    cpu_ms: float
    cpu_us_per_byte: float
    mib: float
    bytes_per_byte: float
    factor: float = 4.0

    def exceeded(self, size: int, cpu_s: float, memory: int) -> str:
        """Say what was too much, or nothing."""
        max_ms = self.factor * (self.cpu_ms + size * self.cpu_us_per_byte / 1e3)
        max_bytes = self.mib * MIB + size * self.bytes_per_byte
        if cpu_s * 1e3 > max_ms:
            return f'{cpu_s * 1e3:.0f} ms of processor time, allowed are {max_ms:.0f}'
        if memory > max_bytes:
            return f'{memory / MIB:.0f} MiB, allowed are {max_bytes / MIB:.0f}'
        return ''


PICTURE = Budget(300, 1, 120, 8)  # the fuzzer caps pictures at 4 million pixels
TEXT = Budget(50, 8, 16, 64)
BAG = Budget(400, 20, 420, 64)  # one message of up to 200 MB, unpacked and joined
BUDGETS = {
    'compressed': PICTURE,
    'raw': PICTURE,
    'model_yaml': TEXT,
    'onnx': Budget(50, 8, 16, 80),
    'labels_csv': Budget(50, 4, 16, 160),
    'actions': TEXT,
    'metadata': TEXT,
    'mcap': BAG,
    'packed': BAG,
    'sqlite': BAG,
    'ros1': BAG,
    'recognizer': Budget(500, 0, 128, 0),  # a picture of 640 x 360, whatever it shows
}


@dataclass
class Search:
    """The dearest inputs of one target so far."""

    target: str
    tried: int = 0
    dearest: list[tuple[float, bytes]] = field(default_factory=list)  # by time a byte
    largest: list[tuple[float, bytes]] = field(default_factory=list)  # by memory
    worst_cpu: tuple[float, int] = (0.0, 0)
    worst_memory: tuple[int, int] = (0, 0)
    findings: list[str] = field(default_factory=list)

    def take(self, data: bytes, cpu_s: float, memory: int, problem: str) -> None:
        """Keep an input if it is among the dearest."""
        self.tried += 1
        for kept, score in ((self.dearest, cpu_s), (self.largest, float(memory))):
            kept.append((score, data))
            kept.sort(key=lambda one: -one[0])
            del kept[KEPT:]
        self.worst_cpu = max(self.worst_cpu, (cpu_s, len(data)))
        self.worst_memory = max(self.worst_memory, (memory, len(data)))
        problem = problem or BUDGETS[self.target].exceeded(len(data), cpu_s, memory)
        if problem:
            folder = OUTPUT / self.target
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f'worst-{len(self.findings)}'
            path.write_bytes(data)
            self.findings.append(f'{path}: {problem}')

    def row(self) -> str:
        """Return the line of the table."""
        cpu_s, cpu_size = self.worst_cpu
        memory, memory_size = self.worst_memory
        return (
            f'| {self.target} | {cpu_s * 1e3:.0f} ms for {cpu_size} bytes | '
            f'{memory / MIB:.0f} MiB for {memory_size} bytes | {self.tried} |'
        )


def cost(one: Callable[[bytes], None], data: bytes) -> tuple[float, int, str]:
    """
    Run a target on bytes in a child.

    :returns: processor time, memory beyond what the child began with, and what went wrong.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        code = 77
        try:
            # A fork leaves file mappings behind, so the parent's own figure would be too high.
            os.write(writer, Path('/proc/self/statm').read_bytes().split()[1])
            signal.setitimer(signal.ITIMER_REAL, WAIT_S)
            resource.setrlimit(resource.RLIMIT_CPU, (LIMIT_S, LIMIT_S + 1))
            resource.setrlimit(resource.RLIMIT_DATA, (LIMIT_BYTES, LIMIT_BYTES))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            one(data)
            code = 0
        except BaseException:  # noqa: BLE001 - the status says it
            code = 78
        finally:
            os._exit(code)
    os.close(writer)
    _, status, usage = os.wait4(child, 0)
    before = int(os.read(reader, 32) or b'0') * resource.getpagesize()
    os.close(reader)
    cpu_s = usage.ru_utime + usage.ru_stime
    problem = ''
    if os.WIFSIGNALED(status):
        problem = f'signal {os.WTERMSIG(status)}'
    elif os.WEXITSTATUS(status):
        problem = 'an exception that is no refusal'
    return cpu_s, max(0, (usage.ru_maxrss << 10) - before), problem


def altered(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """Return an input made from another one."""
    made = bytearray(data)
    for _ in range(1 + rng.randrange(4)):
        at = rng.randrange(len(made) + 1)
        end = min(len(made), at + (1 << rng.randrange(12)))
        kind = rng.randrange(8)
        if kind == 0 and made:
            made[at % len(made)] = rng.randrange(256)
        elif kind == 1:
            made[at:at] = made[at:end] * (1 << rng.randrange(10))
        elif kind == 2:
            del made[at:end]
        elif kind == 3:
            size = rng.choice((1, 2, 4, 8))
            value = rng.choice((0, 1, 255, 1 << 15, (1 << 31) - 1, (1 << 32) - 1, 1 << 40))
            value %= 1 << 8 * size
            made[at : at + size] = value.to_bytes(size, rng.choice(('little', 'big')))
        elif kind == 4:
            other = rng.choice(others)
            start = rng.randrange(len(other) + 1)
            made[at:at] = other[start : start + (1 << rng.randrange(12))]
        elif kind == 5:
            token = rng.choice(
                (b'[', b'{', b'- ', b'? ', b'"', b'\n', b',', b'a: ', b'\0', b'&a ')
            )
            made[at:at] = token * (1 << rng.randrange(14))
        elif kind == 6:
            made[at:at] = str(rng.choice((-1, 10**18, 1e300, '1:1:1', '.inf'))).encode()
        else:
            made = made + made
        del made[MOST:]
    return bytes(made)


def searched(target: str, seconds: float, seed: int) -> Search:
    """Search one target for so long."""
    search, rng = Search(target), random.Random(seed)
    one = guarded(TARGETS[target])
    begin = seeds(target)
    folder = OUTPUT / target / 'dearest'
    kept = [path.read_bytes() for path in sorted(folder.glob('*'))] if folder.is_dir() else []
    one(begin[0])  # so that all is imported before the first fork
    end_s = time.monotonic() + seconds
    for data in [*begin, *dear(target), *kept]:
        search.take(data, *cost(one, data))
    while time.monotonic() < end_s and len(search.findings) < 10:
        pool = [data for _, data in rng.choice((search.dearest, search.largest))]
        base = rng.choice(begin) if rng.random() < 0.2 else rng.choice(pool)
        data = altered(base, begin, rng)
        search.take(data, *cost(one, data))
    folder.mkdir(parents=True, exist_ok=True)
    for index, (_, data) in enumerate([*search.dearest[:4], *search.largest[:4]]):
        (folder / str(index)).write_bytes(data)
    return search


def main() -> int:
    """Search all targets and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--seconds', type=float, default=1200, help='for all targets together')
    parser.add_argument('--target', choices=tuple(TARGETS), action='append')
    parser.add_argument('--seed', type=int, default=1)
    args = parser.parse_args()
    targets = args.target or list(TARGETS)
    findings = []
    print('| reader | most processor time | most memory | inputs tried |\n|---|---|---|---|')
    for target in targets:
        search = searched(target, args.seconds / len(targets), args.seed)
        print(search.row(), flush=True)
        findings += search.findings
    for one in findings:
        print(f'FINDING {one}', file=sys.stderr)
    return 1 if findings else 0


if __name__ == '__main__':
    sys.exit(main())
