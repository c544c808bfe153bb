"""Breakages of cameras, their newest images and the worker behind them."""

from tests.faults.mutants.mutant import (
    CLASSIFIER,
    CLASSIFIER_PROCESS,
    STREAM,
    TWO_CAMERAS,
    broken,
)

QUEUES = [
    broken(
        'stream', 'silence is not judged', 'ros/diagnostics.py',
        'if silent_s >= settings.error_after_s:', 'if False:',
        f'{STREAM}::test_silence_is_stale_then_an_error_then_over'),
    broken(
        'stream', 'the first image in the slot stays', 'ros/mailbox.py',
        '            self._slots[arrival.camera] = arrival\n',
        '            self._slots.setdefault(arrival.camera, arrival)\n',
        f'{CLASSIFIER}::test_under_overload_the_newest_frame_is_next'),
    broken(
        'stream', 'every image is kept', 'ros/mailbox.py', '        self._closed = False\n',
        '        self._closed = False\n        self._kept: list[Arrival] = []\n'
        '        self._put, self.put = self.put, lambda one: '
        '(self._kept.append(bytes(one.message.data)), self._put(one))[1]\n',
        f'{STREAM}::test_burst_is_dropped_but_for_the_newest'),
    broken(
        'stream', 'a failed run is not counted', 'ros/pipeline.py',
        '            else:\n                self.count_error(error)\n', '',
        f'{STREAM}::test_run_that_fails_costs_its_image_only[refused]'),
    broken(
        'stream', 'an unforeseen error ends the worker', 'ros/worker.py',
        '            except Exception as error:\n                self._on_error(error)\n'
        '            finally:',
        '            finally:',
        f'{STREAM}::test_run_that_fails_costs_its_image_only[unforeseen]'),
    broken(
        'stream', 'a publisher that cannot be heard is worth a warning', 'ros/diagnostics.py',
        'if unfit and unfit == publishers:', 'if False:',
        f'{CLASSIFIER_PROCESS}::test_an_incompatible_camera_is_reported'),
    broken(
        'stream', 'publishers are not counted', 'ros/diagnostics.py', 'if publishers > 1:',
        'if False:', f'{CLASSIFIER}::test_two_publishers_on_one_topic_are_reported'),
    broken(
        'stream', "a refused image is the first camera's", 'ros/pipeline.py',
        '        except ImageFormatError as error:\n            self._reject(port, error)\n',
        '        except ImageFormatError as error:\n'
        '            self._reject(next(iter(self._ports.values())), error)\n',
        f'{TWO_CAMERAS}::test_a_broken_frame_of_one_camera_is_its_own_trouble'),
    broken(
        'stream', 'a batch waits for every camera', 'ros/mailbox.py',
        '            while not self._closed and self._worth_waiting(limit_s):\n'
        '                self._changed.wait(max(limit_s - self._clock(), 0.0))\n',
        '            while not self._closed and len(self._slots) < len(self._cameras):\n'
        '                self._changed.wait(1.0)\n',
        f'{TWO_CAMERAS}::test_a_camera_that_stops_and_returns_does_not_disturb_the_other'),
]  # fmt: skip
