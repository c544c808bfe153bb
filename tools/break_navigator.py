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
TESTS = ('test_signs.py', 'test_faults.py', 'test_frames.py', 'test_actions.py', 'test_state.py')
FAULTS = (  # file, what stands there, what takes its place
    ('checks.py', 'if age_ns > settings.max_age_s * 1e9:', 'if age_ns > 1e30:'),
    ('checks.py', 'if age_ns < -settings.max_skew_s * 1e9:', 'if age_ns < -1e30:'),
    ('checks.py', 'last_ns is not None and stamp_ns <= last_ns', 'False'),
    ('checks.py', 'if all(0.0 <= one.score <= 1.0 for one in scores)', 'if True'),
    ('checks.py', 'if not (math.isfinite(sign.height_px) and sign.height_px >= 0):', 'if False:'),
    ('restrictions.py', 'min(max(asked, MIN_MPS), cap_mps)', 'max(asked, MIN_MPS)'),
    ('restrictions.py', 'return min(limits', 'return max(limits'),
    ('restrictions.py', 'new.hold_s, new.hold_m = max(', 'new.hold_s, new.hold_m = min('),
    ('restrictions.py', 'if one.camera != camera:', 'if False:'),
    ('restrictions.py', 'one.left_s -= passage.standing_s', 'one.left_s -= passage.alive_s'),
    ('restrictions.py', 'if cap_mps is None and one.percent is not None:', 'if False:'),
    ('others.py', 'return math.isfinite(value) and value >= 0', 'return True'),
    ('others.py', 'if late and (', 'if False and ('),
    ('machine.py', "self.stale and self.settings.on_stale == 'stop'", 'False'),
    ('machine.py', 'camera.jump()', 'pass'),
    ('machine.py', 'if sign.track_id:\n                self', 'if True:\n                self'),
    ('machine.py', 'if best.class_id in self.misnamed:', 'if False:'),
    ('machine.py', 'scored and best.score < self.settings.min_score', 'False'),
    ('machine.py', 'if not passage.whole:', 'if False:'),
    ('machine.py', "self._rules.assume(sign, camera, 'its camera is silent')", 'pass'),
    ('clocks.py', 'speed is not None and speed <= STANDING_MPS', 'True'),
    ('clocks.py', 'sound = math.isfinite(mps) and abs(mps) <= MAX_MPS', 'sound = True'),
    ('clocks.py', 'moved_s - real_s > JUMP_S', 'False'),
    ('cameras.py', 'whole = alive and apart_s <= LOST * self.period_s', 'whole = alive'),
    ('cameras.py', 'if one.pending}', '}'),
    ('cameras.py', 'if self.expected or any(', 'if any('),
    ('sightings.py', 'not self.lost\n            and ', ''),
    ('sightings.py', 'and self.last_px >= SHRUNK * self.height_px', ''),
    ('sightings.py', 'and self.height_px >= GROWN * self.first_px', ''),
    ('sightings.py', 'self.unseen_s += passage.max_s', 'self.unseen_s += passage.min_s'),
    ('sightings.py', 'if self.in_view or not passage.whole:', 'if not passage.whole:'),
    ('sign_rules.py', 'if limit.clear_s > self.settings.same_place_s', 'if True'),
    ('sign_rules.py', 'if one.last_px >= self.settings.near_height_px:', 'if True:'),
    ('sign_rules.py', 'one.done = one.assumed = True', 'one.done = True'),
    ('sign_rules.py', 'if camera.whole_s < SETTLED_S:', 'if True:'),
    ('state.py', "'restrictions': navigator.restrictions.record(),", "'restrictions': [],"),
    ('frame_state.py', '(engage if stricter else release)', '1'),
    ('frame_state.py', 'action if stricter else max(self._streak, key=strictness)', 'action'),
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
