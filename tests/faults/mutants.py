"""
Deliberate breakages: each must make a case of the suite fail.

``make faults-prove`` puts one after the other into a copy of the package and
runs the named test against it. A breakage whose text is no longer in the
package is an error, so that this list cannot rot.
"""

from typing import NamedTuple

RAW = 'tests/faults/test_raw_image.py'
COMPRESSED = 'tests/faults/test_compressed_image.py'
CONTENT = 'tests/faults/test_content.py'
STREAM = 'tests/faults/test_stream.py'
MODEL = 'tests/faults/test_model.py'
LIFECYCLE = 'tests/faults/test_lifecycle.py'
PROCESS = 'tests/faults/test_process.py'
PARAMETERS = 'tests/faults/test_parameters.py'
NAVIGATION = 'tests/faults/test_navigation.py'
SECURITY = 'tests/faults/test_security.py'
FUZZ = 'tests/faults/test_fuzz.py'


class Mutant(NamedTuple):
    """
    One breakage.

    :param group: the group of cases that must notice it.
    :param what: what is broken, in words.
    :param file: below the package, or below the checkout for other files.
    :param old: text that occurs once in it.
    :param new: what takes its place.
    :param test: the test that must fail; a node id of pytest.
    """

    group: str
    what: str
    file: str
    old: str
    new: str
    test: str


MUTANTS = [
    Mutant(
        'raw image', 'the data length is not checked', 'codec/raw.py',
        'if len(data) < step * rows:', 'if False:',
        f'{RAW}::test_malformed_image_is_refused[short data]'),
    Mutant(
        'raw image', 'the step is not checked', 'codec/raw.py', 'if step < row:', 'if False:',
        f'{RAW}::test_malformed_image_is_refused[step below one row]'),
    Mutant(
        'raw image', 'rows are taken to have no padding', 'codec/raw.py',
        'strides = (step, 1) if kind.channels == 1 else (step, kind.channels, 1)',
        'strides = (row, 1) if kind.channels == 1 else (row, kind.channels, 1)',
        f'{RAW}::test_unusual_layout_is_decoded_exactly[padded step]'),
    Mutant(
        'raw image', 'byte order is ignored', 'codec/raw.py',
        "order = '>u2' if message.is_bigendian else '<u2'", "order = '<u2'",
        f'{RAW}::test_unusual_layout_is_decoded_exactly[big-endian mono16]'),
    Mutant(
        'raw image', 'the size is not limited', 'codec/limits.py',
        'if wide > MAX_SIDE or high > MAX_SIDE or wide * high > max_pixels:', 'if False:',
        f'{RAW}::test_malformed_image_is_refused[2^32-1 by 2^32-1]'),
    Mutant(
        'raw image', 'a depth image is taken for grey', 'codec/raw.py',
        '    if is_depth(name):\n        raise', "    if is_depth(name):\n"
        "        return _TABLE['mono16']\n        raise",
        f'{RAW}::test_malformed_image_is_refused[depth 16UC1]'),
    Mutant(
        'raw image', 'Bayer red and blue are swapped', 'codec/raw.py',
        "'bayer_rggb8': _Encoding(1, cv2.COLOR_BayerBG2RGB", "'bayer_rggb8': "
        "_Encoding(1, cv2.COLOR_BayerRG2RGB",
        f'{RAW}::test_unusual_layout_is_decoded_exactly[bayer_rggb8]'),
    Mutant(
        'compressed', 'the header is not checked before decoding', 'codec/compressed.py',
        'checked_size(header.width, header.height, max_pixels)', 'pass',
        f'{COMPRESSED}::test_png_bomb_is_refused_and_takes_no_memory'),
    Mutant(
        'compressed', 'the end of a JPEG is not looked for', 'codec/headers.py',
        'if not _ends(data, at):', 'if False:',
        f'{COMPRESSED}::test_damaged_picture_is_refused[half a JPEG after a good one]'),
    Mutant(
        'compressed', 'the format is not compared with the data', 'codec/compressed.py',
        'if kind != wanted:', 'if False:',
        f'{COMPRESSED}::test_damaged_picture_is_refused[format says png]'),
    Mutant(
        'compressed', 'an error of OpenCV is let through', 'ros/pipeline.py',
        'except ImageFormatError as error:\n            self._reject',
        'except ZeroDivisionError as error:\n            self._reject',
        f'{COMPRESSED}::test_damaged_picture_is_refused[empty]'),
    Mutant(
        'compressed', 'pixels of an earlier picture come again', 'codec/compressed.py',
        "raise ImageFormatError('undecodable', f'damaged {kind} data')",
        "raise ImageFormatError('undecodable', f'damaged {kind} data')\n"
        "    first = _decoded.__dict__.setdefault('first', image)\n"
        "    image = first if first.shape == image.shape else image",
        f'{COMPRESSED}::test_no_pixel_of_an_earlier_frame_is_seen'),
    Mutant(
        'content', 'logits are not checked', 'postprocess.py',
        'if not np.isfinite(logits).all():', 'if False:',
        f'{CONTENT}::test_logits_that_are_not_finite_are_an_error[NaN]'),
    Mutant(
        'content', 'unknown results are published', 'postprocess.py',
        'unknown |= best[:, 0] < least', 'pass',
        f'{CONTENT}::test_what_is_unknown_changes_nothing[black]'),
    Mutant(
        'time', 'old images act', 'navigation/checks.py',
        'if age_ns > settings.max_age_s * 1e9:', 'if False:',
        f'{NAVIGATION}::test_stamps_of_another_time_do_nothing[too old]'),
    Mutant(
        'time', 'images from the future act', 'navigation/checks.py',
        'if age_ns < -settings.max_skew_s * 1e9:', 'if False:',
        f'{NAVIGATION}::test_stamps_of_another_time_do_nothing[in the future]'),
    Mutant(
        'time', 'images without a stamp act', 'navigation/checks.py', 'if stamp_ns <= 0:',
        'if stamp_ns <= 0 and False:', f'{NAVIGATION}::test_no_stamp_does_nothing'),
    Mutant(
        'time', 'a bag loop is not noticed', 'navigation/clocks.py',
        'if moved_s < -self.settings.max_skew_s or moved_s - real_s > JUMP_S:', 'if False:',
        'tests/ros/test_navigator_faults.py::test_bag_loop_forgets_signs_and_holds_limits'),
    Mutant(
        'time', 'staleness follows the simulated clock', 'navigation/clocks.py',
        'return (now.steady_ns - self._alive_ns) / 1e9',
        'return (now.ros_ns and now.steady_ns - self._alive_ns) / 1e12',
        'tests/ros/test_navigator_faults.py::test_paused_bag_is_stale_on_the_steady_clock'),
    Mutant(
        'stream', 'silence is not judged', 'ros/diagnostics.py',
        'if silent_s >= settings.error_after_s:', 'if False:',
        f'{STREAM}::test_silence_is_stale_then_an_error_then_over'),
    Mutant(
        'stream', 'the first image in the slot stays', 'ros/mailbox.py',
        '            self._slots[arrival.camera] = arrival\n',
        '            self._slots.setdefault(arrival.camera, arrival)\n',
        'tests/ros/test_classifier_faults.py::test_under_overload_the_newest_frame_is_next'),
    Mutant(
        'stream', 'every image is kept', 'ros/mailbox.py', '        self._closed = False\n',
        '        self._closed = False\n        self._kept: list[Arrival] = []\n'
        '        self._put, self.put = self.put, lambda one: '
        '(self._kept.append(bytes(one.message.data)), self._put(one))[1]\n',
        f'{STREAM}::test_burst_is_dropped_but_for_the_newest'),
    Mutant(
        'stream', 'an unforeseen error ends the worker', 'ros/worker.py',
        '            except Exception as error:\n                self._on_error(error)\n'
        '            finally:',
        '            finally:',
        f'{STREAM}::test_run_that_fails_costs_its_image_only[unforeseen]'),
    Mutant(
        'model', 'the hash is not compared', 'model_package/package.py',
        '    if got != expected:\n', '    if False:\n',
        f'{MODEL}::test_bad_model_fails_configure_and_a_good_one_works_after[hash mismatch]'),
    Mutant(
        'model', 'the number of labels is not compared', 'model_package/package.py',
        'if logits.dims[1:] != (len(self.labels),):', 'if False:',
        f'{MODEL}::test_bad_model_fails_configure_and_a_good_one_works_after'
        '[label-count mismatch]'),
    Mutant(
        'model', 'links are followed', 'model_package/package.py',
        'kind = path.lstat()', 'path = path.resolve()\n        kind = path.lstat()',
        f'{MODEL}::test_bad_model_fails_configure_and_a_good_one_works_after[symlink]'),
    Mutant(
        'model', 'the fallback does not say why', 'engine/select.py',
        'engine.info = dataclasses.replace(engine.info, reason=reason)',
        "engine.info = dataclasses.replace(engine.info, reason='')",
        f'{MODEL}::test_without_a_gpu_the_fallback_is_declared'),
    Mutant(
        'GPU', 'the watchdog is asleep', 'ros/watchdog.py',
        "return text if self._suspicions >= CONFIRMATIONS else ''", "return ''",
        'tests/ros/test_classifier_process.py::'
        'test_a_lost_engine_ends_the_process_for_a_respawn[hang]'),
    Mutant(
        'GPU', 'a lost device is one more failed frame', 'ros/classifier_node.py',
        'if isinstance(error, EngineFatalError):', 'if False:',
        'tests/ros/test_classifier_process.py::'
        'test_a_lost_engine_ends_the_process_for_a_respawn[fatal]'),
    Mutant(
        'lifecycle', 'an exception in a callback ends the spin', 'ros/process.py',
        '        except Exception:  # the node must outlive any one callback\n',
        '        except ZeroDivisionError:\n',
        f'{LIFECYCLE}::test_callback_that_raises_does_not_end_the_node'),
    Mutant(
        'lifecycle', 'an inactive node works on', 'ros/classifier_node.py',
        'return self.active and self._enabled', 'return True',
        f'{LIFECYCLE}::test_disabled_node_publishes_nothing'),
    Mutant(
        'lifecycle', 'publishers stay open after a failed activation', 'ros/lifecycle.py',
        '            publisher.on_deactivate(state)\n', '            pass\n',
        'tests/ros/test_lifecycle.py::'
        'test_an_error_after_the_publishers_were_enabled_disables_them_again'),
    Mutant(
        'lifecycle', 'a step may return nothing', 'ros/lifecycle.py',
        'if isinstance(result, TransitionCallbackReturn):', 'if True:',
        'tests/ros/test_lifecycle.py::test_a_step_that_returns_nothing_is_an_error_not_a_wedge'),
    Mutant(
        'lifecycle', 'the old inference thread is left behind', 'ros/worker.py',
        '        self._stop.set()\n        self._mailbox.close()\n', '        return\n',
        'tests/ros/test_classifier_node.py::test_two_hundred_configures_leave_nothing_behind'),
    Mutant(
        'process', 'a signal is bounded, but not obeyed', 'ros/process.py',
        '        stop.set()\n        for node in nodes:', '        for node in nodes:',
        'tests/ros/test_classifier_process.py::test_a_signal_ends_it_with_0_after_on_shutdown'),
    Mutant(
        'process', 'limits end when the input is stale', 'navigation/machine.py',
        "        then = 'stopping' if", "        self._sources.drop('frame')\n"
        "        then = 'stopping' if",
        f'{PROCESS}::test_killed_classifier_leaves_navigation_safe'),
    Mutant(
        'process', 'the launch file forgets to respawn', 'launch/navigator.launch.py',
        "        respawn=truth('use_respawn', given['use_respawn']),\n", '',
        f'{PROCESS}::test_launch_files_can_respawn'),
    Mutant(
        'parameters', 'what needs a reload is taken while active', 'ros/parameters.py',
        'if reload and self._active():', 'if False:',
        f'{PARAMETERS}::test_classifier_refuses_and_works_on[needs a reload while active]'),
    Mutant(
        'Nav2', 'any other limit is taken', 'navigation/machine.py',
        'if not math.isfinite(value) or value < 0:', 'if False:',
        f'{NAVIGATION}::test_limit_that_is_none_is_refused[m/s-NaN]'),
    Mutant(
        'Nav2', 'limits are not clamped', 'navigation/sources.py',
        'return min(max(asked, LEAST_MPS), cap_mps)', 'return asked',
        f'{NAVIGATION}::test_limit_out_of_range_is_clamped[above the cap]'),
    Mutant(
        'Nav2', "another source's 0 ends every limit", 'navigation/machine.py',
        '            self._sources.drop(OTHER_LIMIT)\n',
        "            self._sources.drop(OTHER_LIMIT)\n            self._sources.drop('sign')\n",
        f'{NAVIGATION}::test_zero_releases_its_own_source_only'),
    Mutant(
        'Nav2', 'scores are not checked', 'navigation/checks.py',
        "return '' if all(0.0 <= one.score <= 1.0 for one in scores) else 'bad_score'",
        "return ''", f'{NAVIGATION}::test_impossible_detections_do_nothing[score above 1]'),
    Mutant(
        'Nav2', 'limits are said once', 'ros/sign_navigator_node.py',
        '            self._publish_limit(self._command.speed_limit_mps)\n', '            pass\n',
        'tests/ros/test_navigator_signs.py::test_consumer_that_restarts_hears_the_limit_again'),
    Mutant(
        'security', 'ROS refusing a node is a traceback', 'ros/process.py',
        "if type(error).__name__ != 'RCLError':", 'if True:',
        f'{SECURITY}::test_enclave_that_permits_nothing_is_refused[classifier]'),
    Mutant(
        'security', 'names in model.yaml may be paths', 'model_package/specs.py',
        "if not set(value) <= _SAFE or value.startswith(('.', '-')):", 'if False:',
        f'{MODEL}::test_bad_model_fails_configure_and_a_good_one_works_after[path with ..]'),
    Mutant(
        'security', 'the classifier may speak to navigation', 'config/security/policy.xml',
        '            <topic>~/classification</topic>\n',
        '            <topic>~/classification</topic>\n            <topic>speed_limit</topic>\n',
        f'{SECURITY}::test_only_the_navigator_may_speak_to_navigation'),
    Mutant(
        'security', 'a topic is missing in the policy', 'config/security/policy.xml',
        '            <topic>~/label_info</topic>\n', '',
        f'{SECURITY}::test_policy_permits_what_the_nodes_have[classifier 0]'),
    Mutant(
        'fuzzing', 'a damaged length in a bag is not caught', 'replay/bags.py',
        '    MemoryError,  # a length that is damaged\n', '',
        f'{FUZZ}::test_bag_with_any_byte_altered_is_read_or_refused[mcap-storage]'),
    Mutant(
        'fuzzing', 'NaN is a valid setting', 'config.py',
        'if not (math.isfinite(value) and low <= value <= high):',
        'if value < low or value > high:',
        f'{FUZZ}::test_any_settings_are_valid_or_refused[classifier]'),
]  # fmt: skip
