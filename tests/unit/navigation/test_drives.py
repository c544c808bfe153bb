"""Whatever goes wrong in a drive, the robot is never faster; many more run by ``make drives``."""

from tests.unit.navigation.drives import faults

DRIVES = 1000


def test_no_disturbed_drive_is_faster_than_the_undisturbed_one() -> None:
    wrong = []
    for seed in range(DRIVES):
        made, found = faults(seed)
        if found:
            wrong.append(f'drive {seed} ({", ".join(made.what)}): {found[0]}')
    assert not wrong
