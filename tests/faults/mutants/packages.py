"""Breakages of what reads model packages and compiled engines."""

from tests.faults.mutants.mutant import MODEL, broken, each

BAD = f'{MODEL}::test_bad_model_fails_configure_and_a_good_one_works_after'
PLAN = 'tests/unit/engine/test_trt_plan.py'
CACHE = 'tests/unit/engine/test_cache.py'

PACKAGES = [
    broken(
        'model', 'the bundled model takes the place of a missing one', 'model_package/find.py',
        "    raise ModelPackageError(\n        f'{path / \"model.yaml\"} does not",
        "    if True:\n        return Path(__file__).resolve().parents[2] / 'models' / 'signs'\n"
        "    raise ModelPackageError(\n        f'{path / \"model.yaml\"} does not",
        *each(BAD, 'missing')),
    broken(
        'model', 'the size is not compared', 'model_package/package.py',
        'if len(data) != entry.bytes:', 'if False:',
        *each(BAD, 'empty network', 'truncated network')),
    broken(
        'model', 'the hash is not compared', 'model_package/package.py',
        '    if got != expected:\n', '    if False:\n',
        *each(BAD, 'hash mismatch', 'labels changed')),
    broken(
        'model', 'the number of labels is not compared', 'model_package/package.py',
        'if logits.dims[1:] != (len(self.labels),):', 'if False:',
        *each(BAD, 'label-count mismatch')),
    broken(
        'model', 'weights in other files are not looked for', 'model_package/onnx_scan.py',
        'if number == _EXTERNAL_DATA or outside:', 'if False:', *each(BAD, 'external data')),
    broken(
        'model', 'the graph is not compared with the package', 'model_package/package.py',
        '        self._check_graph(data, path)\n', '',
        *each(BAD, 'no network at all', 'other outputs')),
    broken(
        'model', 'links are followed', 'model_package/package.py',
        'kind = path.lstat()', 'path = path.resolve()\n        kind = path.lstat()',
        *each(BAD, 'symlink')),
    broken(
        'model', 'only links are refused, not pipes', 'model_package/package.py',
        'if not stat.S_ISREG(kind.st_mode):', 'if stat.S_ISLNK(kind.st_mode):',
        *each(BAD, 'named pipe')),
    broken(
        'model', 'YAML without end is not caught', 'model_package/fields.py',
        'except RecursionError as error:', 'except ZeroDivisionError as error:',
        *each(BAD, 'no YAML')),
    broken(
        'model', 'the fallback does not say why', 'engine/select.py',
        'engine.info = dataclasses.replace(engine.info, reason=reason)',
        "engine.info = dataclasses.replace(engine.info, reason='')",
        f'{MODEL}::test_without_a_gpu_the_fallback_is_declared'),
    broken(
        'model', 'what was asked for by name has a fallback too', 'engine/select.py',
        "'tensorrt': ('tensorrt',),", "'tensorrt': ('tensorrt', 'cpu'),",
        f'{MODEL}::test_tensorrt_asked_for_has_no_fallback'),
    broken(
        'model', "an engine's hash is not compared", 'engine/cache.py',
        "if hashlib.sha256(data).hexdigest() != facts.get('sha256'):", 'if False:',
        f'{PLAN}::test_altered_engine_is_rebuilt_with_a_warning'),
    broken(
        'model', "an engine's key is not compared", 'engine/cache.py',
        'if key is not None and (differences := key.differences(stored)):',
        'if (differences := []):',
        f'{PLAN}::test_engine_of_another_version_is_rebuilt_with_a_warning'),
    broken(
        'model', 'a full disk costs the engine', 'engine/trt.py',
        "        log.warning('the engine runs, but will be built again",
        "        raise\n        log.warning('the engine runs, but will be built again",
        f'{PLAN}::test_full_disk_keeps_the_engine_in_memory'),
    broken(
        'model', 'the model behind a cached engine is not verified', 'engine/trt.py',
        'onnx = request.package.read_onnx(request.precision)',
        'onnx = request.package.onnx_path(request.precision).read_bytes()',
        f'{PLAN}::test_altered_model_is_refused_although_its_engine_is_cached'),
    broken(
        'model', 'engines are written in place', 'engine/cache.py',
        "draft = path.with_name(f'.{path.name}.{os.getpid()}.tmp')", 'draft = path',
        f'{CACHE}::test_crash_while_writing_leaves_the_old_engine'),
]  # fmt: skip
