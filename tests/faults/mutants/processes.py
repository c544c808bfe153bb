"""Breakages of processes: how they end, what they leave, and the GPU that fails under them."""

from tests.faults.mutants.mutant import CLASSIFIER_PROCESS, PROCESS, broken, each

BOND = 'tests/ros/test_classifier_bond.py'
REAL_BOND = 'tests/ros/test_classifier_bond_real.py'  # skips itself without bondpy
NAVIGATOR_PROCESS = 'tests/ros/test_navigator_process.py'
TENSORRT = 'tests/unit/engine/test_trt_engine.py'

PROCESSES = [
    broken(
        'process', 'a signal is bounded, but not obeyed', 'ros/process.py',
        '        stop.set()\n        for node in nodes:', '        for node in nodes:',
        f'{CLASSIFIER_PROCESS}::test_a_signal_ends_it_with_0_after_on_shutdown'),
    broken(
        'process', 'the end does not pass through on_shutdown', 'ros/lifecycle.py',
        '            self.trigger_shutdown()\n', '            pass\n',
        *each(f'{CLASSIFIER_PROCESS}::test_a_signal_ends_it_with_0_after_on_shutdown', '2-2')),
    broken(
        'process', 'a thread that hangs at the end is an error', 'ros/process.py',
        'os._exit(code)  # it hangs', 'os._exit(1)  # it hangs',
        f'{CLASSIFIER_PROCESS}::test_a_signal_while_the_model_loads_ends_it_with_0',
        f'{PROCESS}::test_signal_while_inference_hangs_ends_with_zero'),
    broken(
        'process', 'only SIGINT is handled', 'ros/process.py',
        'for number in (signal.SIGINT, signal.SIGTERM):', 'for number in (signal.SIGINT,):',
        f'{PROCESS}::test_slow_configure_leaves_the_navigator_alone',
        *each(f'{PROCESS}::test_signal_while_inference_hangs_ends_with_zero', 'SIGTERM')),
    broken(
        'process', 'a node that is finalized cannot be ended', 'ros/lifecycle.py',
        '        except Exception:\n            # finalized already',
        '        except ZeroDivisionError:\n            # finalized already',
        f'{PROCESS}::test_signal_in_finalized_ends_with_zero'),
    broken(
        'process', 'the last word is what was said before', 'ros/sign_navigator_node.py',
        'self._lock_out.publish(Bool(data=True))',
        'self._lock_out.publish(Bool(data=self._command.stop_lock))',
        f'{NAVIGATOR_PROCESS}::test_signal_ends_it_with_zero_and_the_last_word_is_locked'),
    broken(
        'process', 'the lock is said only when it changes', 'ros/sign_navigator_node.py',
        '        self._do(self.navigator.step(now), now)\n'
        '        self._lock_out.publish(Bool(data=self._command.stop_lock))\n',
        '        self._do(self.navigator.step(now), now)\n',
        f'{PROCESS}::test_slow_configure_leaves_the_navigator_alone'),
    broken(
        'process', 'a lock file stays after a kill', 'ros/classifier_node.py',
        '        settings = self.settings\n        self._settings.reload_needed.clear()\n',
        '        settings = self.settings\n        import atexit, pathlib\n'
        "        lock = pathlib.Path(settings.model, '.lock')\n"
        '        lock.touch(exist_ok=False)\n        atexit.register(lock.unlink)\n'
        '        self._settings.reload_needed.clear()\n',
        f'{CLASSIFIER_PROCESS}::test_a_kill_leaves_nothing_that_disturbs_the_next_one'),
    broken(
        'process', 'what killed processes leave in shared memory stays', 'ros/process.py',
        'orphans, orphan_bytes = remove_orphans()', 'orphans = orphan_bytes = 0',
        'tests/ros/test_shared_memory.py::'
        'test_what_a_killed_node_leaves_is_cleared_by_the_next_one'),
    broken(
        'process', 'limits end when the input is stale', 'navigation/machine.py',
        "        then = 'stopping' if", "        self._sources.drop('frame')\n"
        "        then = 'stopping' if",
        f'{PROCESS}::test_killed_classifier_leaves_navigation_safe'),
    broken(
        'process', 'the launch file forgets to respawn', 'launch/navigator.launch.py',
        "        respawn=truth('use_respawn', given['use_respawn']),\n", '',
        f'{PROCESS}::test_launch_files_can_respawn',
        f'{PROCESS}::test_launch_respawns_a_killed_node'),
    broken(
        'process', "the classifier's launch file forgets to respawn",
        'launch/classifier.launch.py',
        "        respawn=truth('use_respawn', given['use_respawn']),\n", '',
        f'{PROCESS}::test_launch_files_can_respawn',
        f'{PROCESS}::test_launch_respawns_a_hung_classifier',
        f'{PROCESS}::test_launch_and_a_manager_bring_a_hung_classifier_back'),
    broken(
        'process', 'a broken bond ends the process', 'ros/bond.py',
        'bond = bondpy.Bond(self._node, TOPIC, self._node.get_name())',
        'bond = bondpy.Bond(self._node, TOPIC, self._node.get_name(),\n'
        "            lambda: self._node.request_exit(1, 'the bond is broken'))",
        f'{PROCESS}::test_a_bond_that_the_partner_breaks_leaves_navigation_alone',
        f'{REAL_BOND}::test_a_partner_that_breaks_it_does_not_disturb_the_node',
        f'{REAL_BOND}::test_no_partner_at_all_does_not_disturb_the_node'),
    broken(
        'process', 'a partner that dies ends the process', 'ros/bond.py',
        'bond = bondpy.Bond(self._node, TOPIC, self._node.get_name())\n'
        '        bond.set_heartbeat_period(PERIOD_S)\n'
        '        bond.set_heartbeat_timeout(TIMEOUT_S)\n',
        'bond = bondpy.Bond(self._node, TOPIC, self._node.get_name(),\n'
        "            lambda: self._node.request_exit(1, 'the bond is broken'))\n"
        '        bond.set_heartbeat_period(PERIOD_S)\n',
        f'{REAL_BOND}::test_a_partner_that_vanishes_does_not_disturb_the_node'),
    broken(
        'process', 'heartbeats come too seldom', 'ros/bond.py', 'PERIOD_S = 0.1',
        'PERIOD_S = 9.0',
        f'{REAL_BOND}::test_heartbeats_that_pass_for_longer_than_the_timeout_keep_it'),
    broken(
        'process', 'a killed process is remembered for long', 'config/fastdds.xml',
        '<leaseDuration><sec>3</sec>', '<leaseDuration><sec>20</sec>',
        f'{REAL_BOND}::test_a_kill_breaks_it_when_heartbeats_stay_away'),
    broken(
        'process', 'a process that ends keeps its bond', 'ros/classifier_node.py',
        '                self._bond.stop()\n        super().destroy_node()\n',
        '        super().destroy_node()\n', f'{BOND}::test_a_hang_breaks_the_bond'),
    broken(
        'process', 'services stay until the bond is broken', 'ros/classifier_node.py',
        '                self.withdraw()\n', '', f'{BOND}::test_a_hang_breaks_the_bond',
        f'{REAL_BOND}::test_a_hang_breaks_it_and_leaves_no_service_behind',
        f'{REAL_BOND}::test_a_signal_breaks_it_in_order_with_no_service_left'),
    broken(
        'process', 'deactivating keeps the bond', 'ros/classifier_node.py',
        '        self._end_bond()\n        if self._mailbox is not None:\n',
        '        if self._mailbox is not None:\n',
        f'{BOND}::test_every_activation_has_a_bond_of_its_own',
        f'{REAL_BOND}::test_a_bond_forms_with_each_activation_and_breaks_in_order'),
    broken(
        'process', 'an ended bond stays with the node', 'ros/bond.py',
        '        self._node.destroy_subscription(bond.sub)\n', '',
        f'{BOND}::test_every_activation_has_a_bond_of_its_own'),
    broken(
        'process', 'a bond that cannot be is passed over', 'ros/bond.py',
        '        except ImportError as error:\n            raise ConfigError(',
        '        except ImportError as error:\n            return\n            raise ConfigError(',
        f'{BOND}::test_without_bondpy_activation_fails_and_says_what_to_do'),
    broken(
        'GPU', 'the watchdog is asleep', 'ros/watchdog.py',
        "return text if self._suspicions >= CONFIRMATIONS else ''", "return ''",
        f'{CLASSIFIER_PROCESS}::test_a_lost_engine_ends_the_process_for_a_respawn[hang]'),
    broken(
        'GPU', 'a lost device is one more failed frame', 'ros/classifier_node.py',
        'if isinstance(error, EngineFatalError):', 'if False:',
        f'{CLASSIFIER_PROCESS}::test_a_lost_engine_ends_the_process_for_a_respawn[fatal]'),
    broken(
        'GPU', 'memory that runs out is not tried with less', 'engine/trt_runtime.py',
        'if step == 1 or step < self.info.max_batch:', 'if True:',
        f'{TENSORRT}::test_memory_lost_while_running_is_retried_smaller'),
    broken(
        'GPU', 'no context is taken for one', 'engine/trt_contexts.py',
        '        if context is not None:\n            return context\n',
        '        if context is not False:\n            return context\n',
        f'{TENSORRT}::test_no_context_for_a_batch_is_out_of_memory'),
    broken(
        'GPU', 'an illegal address is one more error', 'engine/cuda.py',
        " 'cudaErrorIllegalAddress',", '',
        f'{TENSORRT}::test_sticky_error_is_fatal_and_stays_so'),
    broken(
        'GPU', 'a lost device is forgotten', 'engine/trt_runtime.py',
        '            self._fatal = str(error)\n', '            self._fatal = str()\n',
        f'{TENSORRT}::test_sticky_error_is_fatal_and_stays_so'),
    broken(
        'GPU', 'a hung GPU is one more failed run', 'engine/trt_runtime.py',
        'raise EngineFatalError(self._fatal) from None',
        'raise EngineRunError(self._fatal) from None',
        f'{TENSORRT}::test_hung_gpu_is_fatal_instead_of_waiting_for_ever'),
]  # fmt: skip
