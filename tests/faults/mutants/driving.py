"""Breakages of what the navigator takes and says."""

from tests.faults.mutants.mutant import NAVIGATION, broken

DRIVING = [
    broken(
        'Nav2', 'any other limit is taken', 'navigation/machine.py',
        'if not math.isfinite(value) or value < 0:', 'if False:',
        f'{NAVIGATION}::test_limit_that_is_none_is_refused[m/s-NaN]'),
    broken(
        'Nav2', 'limits are not clamped', 'navigation/sources.py',
        'return min(max(asked, LEAST_MPS), cap_mps)', 'return asked',
        f'{NAVIGATION}::test_limit_out_of_range_is_clamped[above the cap]'),
    broken(
        'Nav2', "another source's 0 ends every limit", 'navigation/machine.py',
        '            self._sources.drop(OTHER_LIMIT)\n',
        "            self._sources.drop(OTHER_LIMIT)\n            self._sources.drop('sign')\n",
        f'{NAVIGATION}::test_zero_releases_its_own_source_only'),
    broken(
        'Nav2', 'scores are not checked', 'navigation/checks.py',
        "return '' if all(0.0 <= one.score <= 1.0 for one in scores) else 'bad_score'",
        "return ''", f'{NAVIGATION}::test_impossible_detections_do_nothing[score above 1]'),
    broken(
        'Nav2', 'limits are said once', 'ros/sign_navigator_node.py',
        '            self._publish_limit(self._command.speed_limit_mps)\n', '            pass\n',
        'tests/ros/test_navigator_signs.py::test_consumer_that_restarts_hears_the_limit_again'),
]  # fmt: skip
