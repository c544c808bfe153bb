"""Breakages of the states of a node, its transitions and its long life."""

from tests.faults.mutants.mutant import (
    CLASSIFIER,
    LIFECYCLE,
    SOAK,
    TRANSITIONS,
    broken,
    each,
)

GOOD_SAMPLES = ('0.0-0-0-True', '4.0-0-0-True')

SUPERVISION = [
    broken(
        'lifecycle', 'an exception in a callback ends the spin', 'ros/process.py',
        '        except Exception:  # the node must outlive any one callback\n',
        '        except ZeroDivisionError:\n',
        f'{LIFECYCLE}::test_callback_that_raises_does_not_end_the_node'),
    broken(
        'lifecycle', 'an impossible transition is answered with yes', 'ros/lifecycle.py',
        '                response.success = False\n', '                response.success = True\n',
        f'{LIFECYCLE}::test_impossible_transition_is_refused',
        f'{TRANSITIONS}::test_an_impossible_transition_is_answered_with_no_and_the_node_lives'),
    broken(
        'lifecycle', 'an impossible transition has no answer', 'ros/lifecycle.py',
        '        service.callback = change_state\n', '        del change_state\n',
        *each(f'{LIFECYCLE}::test_impossible_transition_is_refused', 'activate twice')),
    broken(
        'lifecycle', 'deactivating leaves gate and publishers open', 'ros/lifecycle.py',
        '        self._silence(state)\n\n'
        '        def deactivate() -> TransitionCallbackReturn:\n'
        '            self.do_deactivate()\n'
        '            return super(ManagedNode, self).on_deactivate(state)\n',
        '        def deactivate() -> TransitionCallbackReturn:\n'
        '            self.do_deactivate()\n'
        '            return SUCCESS\n',
        f'{LIFECYCLE}::test_inactive_node_publishes_nothing',
        f'{LIFECYCLE}::test_cycles_while_images_stream_in',
        f'{CLASSIFIER}::test_deactivating_during_a_frame_publishes_nothing_of_it'),
    broken(
        'lifecycle', 'a disabled node works on', 'ros/classifier_node.py',
        'return self.active and self._enabled', 'return self.active',
        f'{LIFECYCLE}::test_disabled_node_publishes_nothing'),
    broken(
        'lifecycle', 'the mailbox of the first configure is used again',
        'ros/classifier_node.py',
        '        self._mailbox = Mailbox(settings.cameras)\n',
        "        self._mailbox = self.__dict__.setdefault('_first', Mailbox(settings.cameras))\n",
        f'{LIFECYCLE}::test_cycles_while_images_stream_in'),
    broken(
        'lifecycle', 'an unforeseen error is logged without its traceback', 'ros/lifecycle.py',
        r"self.get_logger().error(f'cannot {name}:\n{traceback.format_exc()}')",
        "self.get_logger().error(f'cannot {name}: {error}')",
        f'{TRANSITIONS}::test_an_unforeseen_error_in_configure_is_logged_with_its_traceback'),
    broken(
        'lifecycle', 'an error releases nothing', 'ros/lifecycle.py',
        "        return self._guarded('release after an error', self._release)\n",
        '        return SUCCESS\n',
        f'{TRANSITIONS}::'
        'test_an_unforeseen_error_in_activate_releases_and_leaves_no_open_publisher'),
    broken(
        'lifecycle', 'publishers stay open after a failed transition', 'ros/lifecycle.py',
        '            publisher.on_deactivate(state)\n', '            pass\n',
        f'{TRANSITIONS}::test_an_error_after_the_publishers_were_enabled_disables_them_again',
        *each(f'{TRANSITIONS}::test_an_error_on_the_way_down_ends_unconfigured_and_silent',
              'deactivate')),
    broken(
        'lifecycle', 'an error in cleanup is no error', 'ros/lifecycle.py',
        "        result = self._guarded('cleanup', self._release)\n"
        '        return ERROR if result == FAILURE else result\n',
        "        self._guarded('cleanup', self._release)\n        return SUCCESS\n",
        *each(f'{TRANSITIONS}::test_an_error_on_the_way_down_ends_unconfigured_and_silent',
              'release')),
    broken(
        'lifecycle', 'shutdown releases nothing', 'ros/lifecycle.py',
        "        self._guarded('shutdown', self._release)\n", '',
        f'{TRANSITIONS}::test_shutdown_ends_finalized_whatever_fails'),
    broken(
        'lifecycle', 'shutdown fails with what it calls', 'ros/lifecycle.py',
        "            self._guarded('deactivate for shutdown', self._deactivate)\n",
        '            self._deactivate()\n',
        *each(f'{TRANSITIONS}::test_shutdown_ends_finalized_whatever_fails', 'deactivate')),
    broken(
        'lifecycle', 'a step may return nothing', 'ros/lifecycle.py',
        'if isinstance(result, TransitionCallbackReturn):', 'if True:',
        f'{TRANSITIONS}::test_a_step_that_returns_nothing_is_an_error_not_a_wedge'),
    broken(
        'lifecycle', 'the frame in work is not waited for', 'ros/worker.py',
        '        thread.join(timeout_s)\n', '        thread.join(0.0)\n',
        f'{CLASSIFIER}::test_shutting_down_during_a_frame_ends_finalized'),
    broken(
        'lifecycle', 'the old inference thread is left behind', 'ros/worker.py',
        '        self._stop.set()\n        self._mailbox.close()\n', '        return\n',
        'tests/ros/test_classifier_node.py::test_two_hundred_configures_leave_nothing_behind'),
    broken(
        'lifecycle', 'cleanup leaves the topics', 'ros/classifier_node.py',
        '        for port in self._ports.values():\n            port.close()\n', '',
        'tests/ros/test_classifier_node.py::test_two_hundred_configures_leave_nothing_behind'),
    broken(
        'soak', 'every decoded image stays in memory', 'ros/pipeline.py',
        '        job = Job(\n', "        globals().setdefault('_SEEN', []).append(image_rgb)\n"
        '        job = Job(\n', f'{SOAK}::test_short_soak_finds_nothing_growing'),
    broken(
        'soak', 'a leak passes for noise', 'tools/soak.py', 'NOISE_MIB = 6.0', 'NOISE_MIB = 60.0',
        *each(f'{SOAK}::test_leaks_are_told_from_noise', '12.0-0-0-False')),
    broken(
        'soak', 'noise passes for a leak', 'tools/soak.py', 'NOISE_MIB = 6.0', 'NOISE_MIB = 0.0',
        *each(f'{SOAK}::test_leaks_are_told_from_noise', '4.0-0-0-True')),
    broken(
        'soak', 'lost files are spared', 'tools/soak.py', 'SPARE_FILES = 3', 'SPARE_FILES = 99',
        *each(f'{SOAK}::test_leaks_are_told_from_noise', '0.0-30-0-False')),
    broken(
        'soak', 'lost threads are spared', 'tools/soak.py', "elif key == 'threads':",
        "elif key == 'thread':",
        *each(f'{SOAK}::test_leaks_are_told_from_noise', '0.0-0-2-False')),
    broken(
        'soak', 'what is as at the start has grown', 'tools/soak.py',
        'return self.last <= self.allowed', 'return self.last < self.allowed',
        *each(f'{SOAK}::test_leaks_are_told_from_noise', '0.0-0-0-True')),
]  # fmt: skip
