"""Breakages of what the navigator takes and says."""

from tests.faults.elsewhere import NAVIGATOR, NAVIGATOR_PROCESS, SIGNS
from tests.faults.mutants.mutant import NAVIGATION, broken, each

NO_LIMIT = f'{NAVIGATION}::test_limit_that_is_none_is_refused'
CLAMPED = f'{NAVIGATION}::test_limit_out_of_range_is_clamped'
IMPOSSIBLE = f'{NAVIGATION}::test_impossible_detections_do_nothing'
STALE = f'{NAVIGATOR}::test_stale_images_hold_the_limit_and_lock_as_configured'

DRIVING = [
    broken(
        'Nav2', 'any other limit is taken', 'navigation/machine.py',
        'if not math.isfinite(value) or value < 0:', 'if False:',
        *each(NO_LIMIT, *(f'{unit}-{name}' for unit in ('m/s', 'percent')
                          for name in ('negative', 'tiny negative', 'minus infinity')))),
    broken(
        'Nav2', 'only negative limits are refused', 'navigation/machine.py',
        'if not math.isfinite(value) or value < 0:', 'if value < 0:',
        *each(NO_LIMIT, 'm/s-NaN', 'm/s-infinite')),
    broken(
        'Nav2', 'a limit may be above the cap', 'navigation/sources.py',
        'return min(max(asked, LEAST_MPS), cap_mps)', 'return max(asked, LEAST_MPS)',
        *each(CLAMPED, 'above the cap', '1e300')),
    broken(
        'Nav2', 'a limit may be next to nothing', 'navigation/sources.py',
        'return min(max(asked, LEAST_MPS), cap_mps)', 'return min(asked, cap_mps)',
        *each(CLAMPED, 'next to nothing', 'a millionth percent')),
    broken(
        'Nav2', 'percent are taken for a share', 'navigation/machine.py',
        'percent=min(value, 100.0)', 'percent=min(value, 1.0)',
        *each(CLAMPED, '1000 percent')),
    broken(
        'Nav2', "another source's 0 ends every limit", 'navigation/machine.py',
        '            self._sources.drop(OTHER_LIMIT)\n',
        "            self._sources.drop(OTHER_LIMIT)\n            self._sources.drop('sign')\n",
        f'{NAVIGATION}::test_zero_releases_its_own_source_only'),
    broken(
        'Nav2', 'the source that came last is in force', 'navigation/sources.py',
        'return min(limits, key=lambda pair: pair[0], default=None)',
        'return limits[-1] if limits else None',
        f'{NAVIGATION}::test_lowest_of_all_sources_is_in_force'),
    broken(
        'Nav2', 'NaN is a probability', 'navigation/checks.py',
        "return '' if all(0.0 <= one.score <= 1.0 for one in scores) else 'bad_score'",
        "return 'bad_score' if any(one.score < 0.0 or one.score > 1.0 for one in scores) else ''",
        *each(IMPOSSIBLE, 'score NaN')),
    broken(
        'Nav2', 'scores are not checked', 'navigation/checks.py',
        "return '' if all(0.0 <= one.score <= 1.0 for one in scores) else 'bad_score'",
        "return ''", *each(IMPOSSIBLE, 'score above 1', 'negative score')),
    broken(
        'Nav2', 'a box may be of any height above 0', 'navigation/checks.py',
        'if not (math.isfinite(sign.height_px) and sign.height_px >= 0):',
        'if sign.height_px < 0:', *each(IMPOSSIBLE, 'box height NaN', 'box height infinite')),
    broken(
        'Nav2', 'a box may be upside down', 'navigation/checks.py',
        'if not (math.isfinite(sign.height_px) and sign.height_px >= 0):',
        'if not math.isfinite(sign.height_px):', *each(IMPOSSIBLE, 'negative box height')),
    broken(
        'Nav2', 'an image may show any number of signs', 'navigation/checks.py',
        'if len(frame.signs) > MOST_SIGNS:', 'if False:',
        *each(IMPOSSIBLE, '2000 signs in one image')),
    broken(
        'Nav2', 'a track id may be of any length', 'navigation/checks.py',
        'if len(sign.track_id) > LONGEST_NAME:', 'if False:',
        *each(IMPOSSIBLE, 'track id of 10 kB')),
    broken(
        'Nav2', 'a stale input ends the limit of a sign', 'navigation/machine.py',
        "        then = 'stopping' if",
        "        self._sources.drop('sign')\n        then = 'stopping' if",
        *each(STALE, 'hold-False')),
    broken(
        'Nav2', 'a stale input does not lock', 'navigation/machine.py',
        "'stale': self.clock.stale and self.settings.on_stale == 'stop',", "'stale': False,",
        *each(STALE, 'stop-True')),
    broken(
        'Nav2', 'a killed navigator leaves a lock file', 'ros/sign_navigator_node.py',
        "        super().__init__('sign_navigator', **kwargs)\n",
        "        super().__init__('sign_navigator', **kwargs)\n"
        "        open('sign_navigator.lock', 'x').close()\n",
        f'{NAVIGATOR_PROCESS}::test_killed_navigator_releases_nothing_and_a_new_one_goes_on'),
    broken(
        'Nav2', 'limits are said once', 'ros/sign_navigator_node.py',
        '            self._publish_limit(self._command.speed_limit_mps)\n', '            pass\n',
        f'{SIGNS}::test_consumer_that_restarts_hears_the_limit_again'),
    broken(
        'Nav2', 'signs of another model act', 'navigation/machine.py',
        "        if best.class_id in self.misnamed:\n            return 'misnamed'\n", '',
        f'{SIGNS}::test_table_for_another_model_does_nothing_and_says_so'),
]  # fmt: skip
