"""Breakages of lifecycle and process."""

from tests.faults.mutants.mutant import LIFECYCLE, PROCESS, broken

SUPERVISION = [
    broken(
        'lifecycle', 'an exception in a callback ends the spin', 'ros/process.py',
        '        except Exception:  # the node must outlive any one callback\n',
        '        except ZeroDivisionError:\n',
        f'{LIFECYCLE}::test_callback_that_raises_does_not_end_the_node'),
    broken(
        'lifecycle', 'an inactive node works on', 'ros/classifier_node.py',
        'return self.active and self._enabled', 'return True',
        f'{LIFECYCLE}::test_disabled_node_publishes_nothing'),
    broken(
        'lifecycle', 'publishers stay open after a failed activation', 'ros/lifecycle.py',
        '            publisher.on_deactivate(state)\n', '            pass\n',
        'tests/ros/test_lifecycle.py::'
        'test_an_error_after_the_publishers_were_enabled_disables_them_again'),
    broken(
        'lifecycle', 'a step may return nothing', 'ros/lifecycle.py',
        'if isinstance(result, TransitionCallbackReturn):', 'if True:',
        'tests/ros/test_lifecycle.py::test_a_step_that_returns_nothing_is_an_error_not_a_wedge'),
    broken(
        'lifecycle', 'the old inference thread is left behind', 'ros/worker.py',
        '        self._stop.set()\n        self._mailbox.close()\n', '        return\n',
        'tests/ros/test_classifier_node.py::test_two_hundred_configures_leave_nothing_behind'),
    broken(
        'process', 'a signal is bounded, but not obeyed', 'ros/process.py',
        '        stop.set()\n        for node in nodes:', '        for node in nodes:',
        'tests/ros/test_classifier_process.py::test_a_signal_ends_it_with_0_after_on_shutdown'),
    broken(
        'process', 'limits end when the input is stale', 'navigation/machine.py',
        "        then = 'stopping' if", "        self._sources.drop('frame')\n"
        "        then = 'stopping' if",
        f'{PROCESS}::test_killed_classifier_leaves_navigation_safe'),
    broken(
        'process', 'the launch file forgets to respawn', 'launch/navigator.launch.py',
        "        respawn=truth('use_respawn', given['use_respawn']),\n", '',
        f'{PROCESS}::test_launch_files_can_respawn'),
]  # fmt: skip
