"""Breakages of clocks and parameters."""

from tests.faults.mutants.mutant import NAVIGATION, PARAMETERS, broken

STREAMS = [
    broken(
        'time', 'old images act', 'navigation/checks.py',
        'if age_ns > settings.max_age_s * 1e9:', 'if False:',
        f'{NAVIGATION}::test_stamps_of_another_time_do_nothing[too old]'),
    broken(
        'time', 'images from the future act', 'navigation/checks.py',
        'if age_ns < -settings.max_skew_s * 1e9:', 'if False:',
        f'{NAVIGATION}::test_stamps_of_another_time_do_nothing[in the future]'),
    broken(
        'time', 'images without a stamp act', 'navigation/checks.py', 'if stamp_ns <= 0:',
        'if stamp_ns <= 0 and False:', f'{NAVIGATION}::test_no_stamp_does_nothing'),
    broken(
        'time', 'a bag loop is not noticed', 'navigation/clocks.py',
        'if moved_s < -self.settings.max_skew_s or moved_s - real_s > JUMP_S:', 'if False:',
        'tests/ros/test_navigator_faults.py::test_bag_loop_forgets_signs_and_holds_limits'),
    broken(
        'time', 'staleness follows the simulated clock', 'navigation/clocks.py',
        'return (now.steady_ns - self._alive_ns) / 1e9',
        'return (now.ros_ns and now.steady_ns - self._alive_ns) / 1e12',
        'tests/ros/test_navigator_faults.py::test_paused_bag_is_stale_on_the_steady_clock'),
    broken(
        'parameters', 'what needs a reload is taken while active', 'ros/parameters.py',
        'if reload and self._active():', 'if False:',
        f'{PARAMETERS}::test_classifier_refuses_and_works_on[needs a reload while active]'),
]  # fmt: skip
