"""Breakages of the engine behind a model."""

from tests.faults.mutants.mutant import broken

MODELS = [
    broken(
        'GPU', 'the watchdog is asleep', 'ros/watchdog.py',
        "return text if self._suspicions >= CONFIRMATIONS else ''", "return ''",
        'tests/ros/test_classifier_process.py::'
        'test_a_lost_engine_ends_the_process_for_a_respawn[hang]'),
    broken(
        'GPU', 'a lost device is one more failed frame', 'ros/classifier_node.py',
        'if isinstance(error, EngineFatalError):', 'if False:',
        'tests/ros/test_classifier_process.py::'
        'test_a_lost_engine_ends_the_process_for_a_respawn[fatal]'),
]  # fmt: skip
