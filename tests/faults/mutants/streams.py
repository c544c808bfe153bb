"""Breakages of clocks and parameters."""

from tests.faults.elsewhere import FAULTS, NAVIGATOR, NAVIGATOR_PROCESS, NODE, PROCESS
from tests.faults.mutants.mutant import NAVIGATION, PARAMETERS, broken, each

STAMPS = f'{NAVIGATION}::test_stamps_of_another_time_do_nothing'
CLASSIFIER_SET = f'{PARAMETERS}::test_classifier_refuses_and_works_on'
NAVIGATOR_SET = f'{PARAMETERS}::test_navigator_refuses_and_speaks_on'

STREAMS = [
    broken(
        'time', 'old images act', 'navigation/checks.py',
        'if age_ns > settings.max_age_s * 1e9:', 'if False:',
        *each(STAMPS, 'too old', 'of 1970')),
    broken(
        'time', 'images from the future act', 'navigation/checks.py',
        'if age_ns < -settings.max_skew_s * 1e9:', 'if False:',
        *each(STAMPS, 'in the future', 'far in the future')),
    broken(
        'time', 'an image without a stamp is taken for new', 'navigation/checks.py',
        "        return 'no_stamp'\n", "        return ''\n",
        f'{NAVIGATION}::test_no_stamp_does_nothing'),
    broken(
        'time', 'an image counts as often as it comes', 'navigation/checks.py',
        "return 'out_of_order' if last_ns is not None and stamp_ns <= last_ns else ''",
        "return ''", f'{NAVIGATOR}::test_image_repeated_or_late_does_nothing'),
    broken(
        'time', 'a bag loop is not noticed', 'navigation/clocks.py',
        'if moved_s < -self.settings.max_skew_s or moved_s - real_s > JUMP_S:', 'if False:',
        f'{NAVIGATOR}::test_bag_loop_forgets_signs_and_holds_limits'),
    broken(
        'time', 'a jump is time that passes', 'navigation/clocks.py',
        'jumped_s, moved_s = moved_s, 0.0', 'jumped_s, moved_s = moved_s, abs(moved_s)',
        f'{NAVIGATOR}::test_clock_jump_does_not_end_a_stop'),
    broken(
        'time', 'any step back is a jump', 'navigation/clocks.py',
        'if moved_s < -self.settings.max_skew_s or', 'if moved_s < 0.0 or',
        'tests/unit/navigation/test_faults.py::test_small_step_back_of_the_clock_is_no_jump'),
    broken(
        'time', 'the first clock is a jump', 'navigation/clocks.py',
        '/ 1e9 if min(last.ros_ns, now.ros_ns) > 0 else 0.0', '/ 1e9',
        f'{NAVIGATOR}::test_no_clock_yet_does_nothing_and_the_first_clock_is_no_jump'),
    broken(
        'time', 'the lock is told on a clock that may stand', 'ros/sign_navigator_node.py',
        'self.create_timer(period_s, work, clock=self._steady)',
        'self.create_timer(period_s, work)',
        f'{NAVIGATOR}::test_no_clock_yet_does_nothing_and_the_first_clock_is_no_jump'),
    broken(
        'time', 'staleness follows the simulated clock', 'ros/sign_navigator_node.py',
        'return Moment(self.get_clock().now().nanoseconds, time.monotonic_ns())',
        'return Moment(*[self.get_clock().now().nanoseconds] * 2)',
        f'{NAVIGATOR}::test_paused_bag_is_stale_on_the_steady_clock'),
    broken(
        'time', 'the loop of a short bag is not counted', 'ros/stats.py',
        'stamp_ns < self._last_stamp_ns:', 'stamp_ns < self._last_stamp_ns - 3600 * 10**9:',
        f'{FAULTS}::test_stamps_that_go_back_are_counted_and_answered'),
    broken(
        'time', 'tracks outlive a clock that goes back', 'ros/classifier_node.py',
        'min_backward=Duration(nanoseconds=-1)', 'min_backward=None',
        f'{NODE}::test_a_clock_that_jumps_back_makes_the_tracks_start_anew'),
    broken(
        'time', 'diagnostics wait for /clock', 'ros/classifier_node.py',
        'worker, now_s = self._worker, time.monotonic()',
        'worker, now_s = self._worker, self.get_clock().now().nanoseconds / 1e9',
        f'{PROCESS}::test_diagnostics_go_on_without_a_clock'),
    broken(
        'parameters', 'a range is forgotten', 'config.py',
        "'Hypotheses reported for each region.', low=1, high=100, live=True",
        "'Hypotheses reported for each region.', live=True",
        *each(CLASSIFIER_SET, 'out of range', 'far out of range')),
    broken(
        'parameters', 'values are only checked at the start', 'ros/parameters.py',
        '        node.add_on_set_parameters_callback(self._on_set)\n',
        '        node.add_on_set_parameters_callback(\n'
        '            lambda _given: SetParametersResult(successful=True))\n'
        '        for name in self._fields:\n'
        '            node.set_descriptor(name, ParameterDescriptor(dynamic_typing=True))\n',
        *each(CLASSIFIER_SET, 'NaN', 'infinity', 'text for a number'),
        *each(NAVIGATOR_SET, 'max_speed_mps nan', 'max_speed_mps inf', 'max_speed_mps fast')),
    broken(
        'parameters', 'whole numbers become floats', 'ros/parameters.py',
        '        name=field.name,\n', '        name=field.name,\n        dynamic_typing=True,\n',
        *each(CLASSIFIER_SET, 'int for a double')),
    broken(
        'parameters', 'what needs a reload is taken while active', 'ros/parameters.py',
        'if reload and self._active():', 'if False:',
        *each(CLASSIFIER_SET, 'needs a reload while active', 'another model while active'),
        *each(NAVIGATOR_SET, 'actions /etc/passwd')),
    broken(
        'parameters', 'settings are not compared with one another', 'config.py',
        "            (tracker.confirm_hits, tracker.confirm_window, "
        "'confirm_hits <= confirm_window'),\n", '',
        *each(CLASSIFIER_SET, 'against another setting')),
    broken(
        'parameters', 'a live parameter is not live', 'config.py',
        "beside the model's own rule.\",\n        low=0.0, high=1.0, live=True,",
        "beside the model's own rule.\",\n        low=0.0, high=1.0,",
        f'{PARAMETERS}::test_live_parameter_changes_under_images'),
    broken(
        'parameters', 'the cap may be 0', 'config.py',
        'maximum.",\n        low=0.01, high=100.0, live=True,',
        'maximum.",\n        low=0.0, high=100.0, live=True,',
        *each(NAVIGATOR_SET, 'max_speed_mps 0.0')),
    broken(
        'parameters', 'an age may be negative', 'config.py',
        "'Images older than this do nothing, seconds.', low=0.01, high=60.0, live=True",
        "'Images older than this do nothing, seconds.', live=True",
        *each(NAVIGATOR_SET, 'max_age_s -1.0')),
    broken(
        'parameters', 'any word is a choice', 'config.py',
        "if facts['choices'] and value not in facts['choices']:", 'if False:',
        *each(NAVIGATOR_SET, 'on_stale drive')),
    broken(
        'parameters', 'an override out of its range is a traceback', 'ros/parameters.py',
        'except (ParameterException, TypeError, ValueError) as error:',
        'except (TypeError, ValueError) as error:',
        f'{PROCESS}::test_a_wrong_parameter_ends_in_one_line_with_its_range',
        *each(f'{NAVIGATOR_PROCESS}::test_bad_start_ends_with_one_and_says_why',
              'parameters0-max_speed_mps', 'parameters1-max_speed_mps')),
]  # fmt: skip
