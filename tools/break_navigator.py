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
TESTS = [
    f'test_{one}.py' for one in ('signs', 'faults', 'frames', 'actions', 'state', 'relabelled')
]
FAULTS = (  # file, what stands there, what takes its place
    ('checks.py', 'if age_ns > settings.max_age_s * 1e9:', 'if age_ns > 1e30:'),
    ('checks.py', 'if age_ns < -settings.max_skew_s * 1e9:', 'if age_ns < -1e30:'),
    ('checks.py', 'last_ns is not None and stamp_ns <= last_ns', 'False'),
    ('checks.py', 'if all(0.0 <= one.score <= 1.0 for one in scores)', 'if True'),
    ('checks.py', 'and 0 <= sign.height_px < math.inf', ''),
    ('checks.py', 'all(map(math.isfinite, sign.middle_px)) and ', ''),
    ('restrictions.py', 'min(max(asked, MIN_MPS), cap_mps)', 'max(asked, MIN_MPS)'),
    ('restrictions.py', 'return min(limits', 'return max(limits'),
    ('restrictions.py', 'new.hold_s, new.hold_m = max(', 'new.hold_s, new.hold_m = min('),
    ('restrictions.py', 'if one.camera != camera:', 'if False:'),
    ('restrictions.py', 'one.left_s -= passage.standing_s', 'one.left_s -= passage.alive_s'),
    ('restrictions.py', 'if cap_mps is None and one.percent is not None:', 'if False:'),
    ('others.py', 'return math.isfinite(value) and value >= 0', 'return True'),
    ('others.py', 'if late and (', 'if False and ('),
    ('others.py', 'if new is None and not alone:', 'if False:'),
    ('others.py', 'elif alone:', 'elif True:'),
    ('machine.py', "self.stale and self.settings.on_stale == 'stop'", 'False'),
    ('machine.py', 'camera.jump()', 'pass'),
    ('machine.py', 'stamp_ns = min(stamp_ns, now.ros_ns)', 'pass'),
    ('machine.py', 'if settings.max_speed_mps is None:', 'if False:'),
    ('machine.py', "f'frame {camera}' if camera else 'frame'", "f'frame {camera}'.rstrip()"),
    ('machine.py', 'if sign.track_id:\n                self', 'if True:\n                self'),
    ('machine.py', 'if best.class_id in self.misnamed:', 'if False:'),
    ('machine.py', 'scored and best.score < self.settings.min_score', 'False'),
    ('machine.py', 'if not passage.whole:', 'if False:'),
    ('machine.py', "self._rules.assume(sign, camera, 'its camera is silent')", 'pass'),
    ('clocks.py', 'fastest <= STANDING_MPS', 'True'),
    ('clocks.py', 'sound = math.isfinite(mps) and abs(mps) <= MAX_MPS', 'sound = True'),
    ('clocks.py', 'default=0.0), max(speeds)', 'default=0.0), min(speeds)'),
    ('clocks.py', 'return min((one', 'return max((one'),
    ('clocks.py', 'ahead_s > JUMP_S', 'False'),
    ('clocks.py', 'self._told or now, now', 'self._last or now, now'),
    ('machine.py', 'self._misnamed[camera] =', "self._misnamed[''] ="),
    ('cameras.py', 'whole = alive and apart_s <= LOST * self.period_s', 'whole = alive'),
    ('cameras.py', 'if one.awaited or (', 'if ('),
    ('cameras.py', "if one.action.kind != 'stop' and one.in_view and not one.heir:", 'if False:'),
    ('cameras.py', 'if self.expected or self.frame.binds or', 'if self.frame.binds or'),
    ('cameras.py', ' or self.frame.binds\n', '\n'),
    ('cameras.py', 'if one is not None and one.asks and (', 'if False and ('),
    (
        'cameras.py',
        'replace(one, heir=True, track_id=box.track_id)',
        'replace(one, heir=True, done=True)',
    ),
    ('cameras.py', 'one.cover(box, self.seen_s)', 'pass'),
    ('cameras.py', 'not other.first_s <= one.last_s <= other.last_s', 'True'),
    ('cameras.py', 'not apart > BESIDE * one.box_px', 'True'),
    ('cameras.py', 'other.last_s == one.last_s and ', ''),
    ('cameras.py', 'one.instead = self._read_before(one, box, before)', 'pass'),
    ('cameras.py', 'one.instead = None  # both', 'pass  # both'),
    ('sightings.py', 'not self.lost\n            and ', ''),
    ('sightings.py', 'and self.last_px >= SHRUNK * self.height_px', ''),
    ('sightings.py', 'and self.height_px >= GROWN * self.first_px', ''),
    ('sightings.py', 'self.unseen_s += passage.max_s', 'self.unseen_s += passage.min_s'),
    ('sightings.py', 'if self.in_view or self.covered or', 'if self.covered or'),
    ('sightings.py', 'if self.in_view or self.covered or', 'if self.in_view or'),
    ('sightings.py', 'self.last_px = min(self.last_px, box.height_px)', 'pass'),
    ('sightings.py', '1 / NEAR_RATIO <= ratio <= larger', 'True'),
    ('sightings.py', 'if not apart > reach and', 'if'),
    ('sign_rules.py', 'and one.instead is None', ''),
    ('sign_rules.py', 'and not one.heir', ''),
    ('sign_rules.py', 'if limit.clear_s > self.settings.same_place_s', 'if True'),
    ('sign_rules.py', 'if one.last_px >= self.settings.near_height_px:', 'if True:'),
    ('sign_rules.py', 'one.done = one.assumed = True', 'one.done = True'),
    ('sign_rules.py', 'if camera.whole_s < SETTLED_S:', 'if True:'),
    ('state.py', 'if one.awaited', 'if one.pending and not one.heir'),
    ('state.py', 'Score.of(one.track_id, 0.0).class_id', 'int(one.track_id)'),
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
