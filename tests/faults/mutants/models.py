"""Breakages of what reads models, engines, bags and settings."""

from tests.faults.mutants.mutant import FUZZ, MODEL, SECURITY, broken

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
    broken(
        'security', 'ROS refusing a node is a traceback', 'ros/process.py',
        "if type(error).__name__ != 'RCLError':", 'if True:',
        f'{SECURITY}::test_enclave_that_permits_nothing_is_refused[classifier]'),
    broken(
        'security', 'names in model.yaml may be paths', 'model_package/specs.py',
        "if not set(value) <= _SAFE or value.startswith(('.', '-')):", 'if False:',
        f'{MODEL}::test_bad_model_fails_configure_and_a_good_one_works_after[path with ..]'),
    broken(
        'security', 'the classifier may speak to navigation', 'config/security/policy.xml',
        '            <topic>~/classification</topic>\n',
        '            <topic>~/classification</topic>\n            <topic>speed_limit</topic>\n',
        f'{SECURITY}::test_only_the_navigator_may_speak_to_navigation'),
    broken(
        'security', 'a topic is missing in the policy', 'config/security/policy.xml',
        '            <topic>~/label_info</topic>\n', '',
        f'{SECURITY}::test_policy_permits_what_the_nodes_have[classifier 0]'),
    broken(
        'fuzzing', 'a damaged length in a bag is not caught', 'replay/bags.py',
        '    MemoryError,  # a length that is damaged\n', '',
        f'{FUZZ}::test_bag_with_any_byte_altered_is_read_or_refused[mcap-storage]'),
    broken(
        'fuzzing', 'NaN is a valid setting', 'config.py',
        'if not (math.isfinite(value) and low <= value <= high):',
        'if value < low or value > high:',
        f'{FUZZ}::test_any_settings_are_valid_or_refused[classifier]'),
]  # fmt: skip
