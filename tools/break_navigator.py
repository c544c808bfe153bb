"""
Break the navigator on purpose, one fault at a time, and see its tests fail.

``python tools/break_navigator.py`` works on a copy in a temporary folder. A
fault that no test notices is printed, and the exit status is 1.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TESTS = ('test_signs.py', 'test_faults.py', 'test_frames.py', 'test_actions.py')
FAULTS = (  # file, what stands there, what takes its place
    ('checks.py', 'if age_ns > settings.max_age_s * 1e9:', 'if age_ns > 1e30:'),
    ('checks.py', 'if age_ns < -settings.max_skew_s * 1e9:', 'if age_ns < -1e30:'),
    ('checks.py', 'last_ns is not None and stamp_ns <= last_ns', 'False'),
    ('checks.py', 'if now_ns <= 0:', 'if False:'),
    ('checks.py', 'if stamp_ns <= 0:', 'if False:'),
    ('checks.py', 'if all(0.0 <= one.score <= 1.0 for one in scores)', 'if True'),
    ('checks.py', 'if not (math.isfinite(sign.height_px) and sign.height_px >= 0):', 'if False:'),
    ('sources.py', 'min(max(asked, LEAST_MPS), cap_mps)', 'max(asked, LEAST_MPS)'),
    ('sources.py', 'min(max(asked, LEAST_MPS), cap_mps)', 'min(asked, cap_mps)'),
    ('sources.py', 'return min(limits', 'return max(limits'),
    ('machine.py', 'if not math.isfinite(value) or value < 0:', 'if False:'),
    ('machine.py', "self.clock.stale and self.settings.on_stale == 'stop',", 'False,'),
    ('machine.py', 'self._sightings.clear()', 'pass'),
    ('machine.py', 'self._stamps.clear()', 'pass'),
    ('machine.py', 'if sign.track_id:', 'if True:'),
    ('machine.py', 'if best.class_id in self.misnamed:', 'if False:'),
    ('machine.py', 'self._sightings.lose(frame.camera)', 'pass'),
    ('machine.py', 'scored and best.score < self.settings.min_score', 'False'),
    ('machine.py', 'self.settings.require_label_info and not self.labels_known', 'False'),
    ('machine.py', 'changed and limit is None', 'limit is None'),
    ('clocks.py', 'if not self.stale:', 'if True:'),
    ('clocks.py', 'jumped_s, moved_s = moved_s, 0.0', 'jumped_s = moved_s'),
    ('clocks.py', 'moved_s - real_s > JUMP_S', 'False'),
    ('clocks.py', 'if speed is None or speed <= STANDING_MPS:', 'if True:'),
    ('clocks.py', 'self.unseen_s(now) > self.settings.stale_after_s', 'False'),
    ('sign_rules.py', 'one.height_px >= self.settings.near_height_px', 'True'),
    ('sign_rules.py', 'if one.height_px >= self.settings.passed_height_px:', 'if True:'),
    (
        'sign_rules.py',
        'one.last_ns - slot.cause.last_ns > self.settings.same_place_s * 1e9',
        'True',
    ),
    ('sign_rules.py', 'one.stopped = True', 'pass'),
    ('sign_rules.py', 'self._clock.held_s < self._no_stop_before_s', 'False'),
    ('sign_rules.py', 'slot.speed_mps == one.action.speed_mps', 'True'),
    ('sign_rules.py', 'speed_mps = min(speed_mps, last.speed_mps)', 'pass'),
    ('frame_state.py', '(engage if stricter else release)', '1'),
    ('frame_state.py', 'action if stricter else max(self._streak, key=strictness)', 'action'),
    ('frame_state.py', 'if stricter != self._stricter:', 'if False:'),
    ('sightings.py', 'if len(self._seen) >= MOST_KEPT:', 'if False:'),
    ('actions.py', 'if key.value in seen:', 'if False:'),
)


def noticed(folder: Path) -> bool:
    """Return whether a test of the navigator fails in a copy of the project."""
    tests = [f'tests/unit/navigation/{name}' for name in TESTS]
    words = [sys.executable, '-m', 'pytest', '-q', '-x', '-p', 'no:cacheprovider', *tests]
    return subprocess.run(words, cwd=folder, capture_output=True, check=False).returncode == 1


def main() -> int:
    """Try every fault; 0 if each was noticed."""
    missed = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ('alexnet_ros', 'tests', 'config'):
            shutil.copytree(
                ROOT / part, folder / part, ignore=shutil.ignore_patterns('__pycache__')
            )
        shutil.copy(ROOT / 'pyproject.toml', folder)
        if noticed(folder):
            print('the tests fail before anything is broken', file=sys.stderr)
            return 1
        for file, sound, broken in FAULTS:
            path = folder / 'alexnet_ros' / 'navigation' / file
            text = path.read_text()
            if sound not in text:
                missed.append(f'{file}: no longer has {sound!r}')
                continue
            path.write_text(text.replace(sound, broken, 1))
            if not noticed(folder):
                missed.append(f'{file}: {sound!r} broken, and no test fails')
            path.write_text(text)
    print('\n'.join([*missed, f'{len(FAULTS) - len(missed)} of {len(FAULTS)} faults noticed']))
    return 1 if missed else 0


if __name__ == '__main__':
    sys.exit(main())
