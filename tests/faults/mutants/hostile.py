"""Breakages of what keeps strangers out, and of what any input must pass."""

from tests.faults.elsewhere import BAGS, CACHE, CODEC, PACKAGE
from tests.faults.mutants.mutant import FUZZ, MODEL, SECURITY, broken, each

BAD_MODEL = f'{MODEL}::test_bad_model_fails_configure_and_a_good_one_works_after'
BAGS_ALTERED = f'{FUZZ}::test_altered_bags_are_read_or_refused'
BYTE_BY_BYTE = f'{FUZZ}::test_bag_with_any_byte_altered_is_read_or_refused'
GRAPHS = f'{SECURITY}::test_policy_permits_what_the_nodes_have'
COVERAGE = f'{FUZZ}::test_fuzzer_finds_nothing_in_a_short_run'
PROMISES = 'tests/unit/navigation/test_properties.py'

HOSTILE = [
    broken(
        'security', 'security that cannot start is a wrong command line', 'ros/process.py',
        "if 'SECURITY' in str(error):", 'if False:',
        f'{SECURITY}::test_missing_enclave_is_refused_by_name'),
    broken(
        'security', 'ROS refusing a node is a traceback', 'ros/process.py',
        "if type(error).__name__ != 'RCLError':", 'if True:',
        f'{SECURITY}::test_enclave_that_permits_nothing_is_refused'),
    broken(
        'security', 'model.yaml may call anything', 'model_package/fields.py',
        'class _StrictLoader(yaml.SafeLoader):', 'class _StrictLoader(yaml.UnsafeLoader):',
        *each(BAD_MODEL, 'code in model.yaml')),
    broken(
        'security', 'names in model.yaml may be paths', 'model_package/specs.py',
        "if not set(value) <= _SAFE or value.startswith(('.', '-')):", 'if False:',
        *each(BAD_MODEL, 'path with ..')),
    broken(
        'security', 'a link is what it leads to', 'model_package/package.py',
        'kind = path.lstat()', 'path = path.resolve()\n        kind = path.lstat()',
        f'{PACKAGE}::test_links_inside_the_package_are_refused'),
    broken(
        'security', 'nobody asks who may write to the cache', 'engine/cache_folder.py',
        'if facts.st_mode & 0o022:', 'if False:',
        f'{CACHE}::test_folder_that_others_can_write_is_refused'),
    broken(
        'security', 'a bag names files anywhere', 'replay/bags.py',
        'file = self.path / Path(name).name  # never outside the folder\n'
        '            if file in present:',
        'file = self.path / name\n            if file.exists():',
        f'{BAGS}::test_metadata_cannot_lead_out_of_the_folder'),
    broken(
        'security', 'a service takes the path of a model', 'ros/classifier_node.py',
        "        self.create_service(SetBool, '~/enable', self._on_enable)\n",
        '        from diagnostic_msgs.srv import AddDiagnostics\n'
        "        self.create_service(AddDiagnostics, '~/load_model', self._on_enable)\n"
        "        self.create_service(SetBool, '~/enable', self._on_enable)\n",
        f'{SECURITY}::test_no_service_takes_a_path'),
    broken(
        'security', 'the classifier may speak to navigation', 'config/security/policy.xml',
        '            <topic>~/classification</topic>\n',
        '            <topic>~/classification</topic>\n            <topic>speed_limit</topic>\n',
        f'{SECURITY}::test_only_the_navigator_may_speak_to_navigation'),
    broken(
        'security', 'a topic is missing in the policy', 'config/security/policy.xml',
        '            <topic>~/label_info</topic>\n', '', *each(GRAPHS, 'classifier 0')),
    broken(
        'security', "the navigator's policy lacks a topic", 'config/security/policy.xml',
        '            <topic>~/heading</topic>\n', '', *each(GRAPHS, 'navigator 5')),
    broken(
        'security', 'the policy permits what is not there', 'config/security/policy.xml',
        '            <service>~/enable</service>\n',
        '            <service>~/enable</service>\n'
        '            <service>~/load_model</service>\n',
        f'{SECURITY}::test_policy_permits_no_more_than_is_needed'),
    broken(
        'fuzzing', 'NaN is a valid setting', 'config.py',
        'if not (math.isfinite(value) and low <= value <= high):',
        'if value < low or value > high:',
        *each(f'{FUZZ}::test_any_settings_are_valid_or_refused', 'classifier')),
    broken(
        'fuzzing', 'the type of a setting is not compared', 'config.py',
        'if type(value) is not type(default):', 'if value is None:',
        f'{FUZZ}::test_any_settings_are_valid_or_refused'),
    broken(
        'fuzzing', 'a damaged length in a bag is not caught', 'replay/bags.py',
        '    MemoryError,  # a length that is damaged\n', '', *each(BYTE_BY_BYTE, 'mcap-storage')),
    broken(
        'fuzzing', 'a damaged database is not caught', 'replay/bags.py',
        '    DatabaseError,\n    OSError,', '    OSError,',
        *each(BYTE_BY_BYTE, 'sqlite3-'), *each(BAGS_ALTERED, 'sqlite3-')),
    broken(
        'fuzzing', 'metadata that is no YAML is not caught', 'replay/bags.py',
        '(OSError, yaml.YAMLError, KeyError, TypeError, ValueError)',
        '(OSError, KeyError, TypeError, ValueError)', BAGS_ALTERED),
    broken(
        'fuzzing', 'a picture that cannot be decoded is not looked for', 'codec/compressed.py',
        "    if image is None:\n        raise ImageFormatError('undecodable', "
        "f'damaged {kind} data')\n", '',
        f'{CODEC}/test_compressed.py::test_altered_pictures_decode_or_are_refused', COVERAGE),
    broken(
        'fuzzing', 'an unknown encoding is a KeyError', 'codec/raw.py',
        'found = _TABLE.get(name) or _TABLE.get(name.strip().lower())',
        'found = _TABLE[name.strip().lower()]',
        f'{CODEC}/test_raw.py::test_any_fields_decode_to_the_size_told_or_are_refused'),
    broken(
        'fuzzing', 'a part of model.yaml is not checked to be one', 'model_package/fields.py',
        '        if not isinstance(value, dict):\n            raise self.refuse(name, ',
        '        if value is None:\n            raise self.refuse(name, ',
        f'{PACKAGE}::test_any_value_in_any_field_is_taken_or_refused_by_name'),
    broken(
        'fuzzing', 'a field that ONNX never has is a ValueError', 'model_package/onnx_scan.py',
        "raise self.refuse('is no ONNX file')", "raise ValueError('is no ONNX file')",
        'tests/unit/test_onnx_scan.py::test_altered_models_are_scanned_or_refused', COVERAGE),
    broken(
        'fuzzing', 'the time of an image is not asked for', 'navigation/machine.py',
        'fault = late or fault', 'fault = fault and late', f'{PROMISES}::TestFramePromises'),
    broken(
        'fuzzing', 'a limit may be above the cap', 'navigation/sources.py',
        'return min(max(asked, LEAST_MPS), cap_mps)', 'return max(asked, LEAST_MPS)',
        f'{PROMISES}::TestSignPromises'),
]  # fmt: skip
