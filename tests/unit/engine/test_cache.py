import contextlib
import dataclasses
import json
import logging
import multiprocessing
import os
import pkgutil
import subprocess
import sys
import threading
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alexnet_ros.engine import cache_folder
from alexnet_ros.engine.cache import EngineCache, EngineKey, sidecar
from alexnet_ros.engine.cache_folder import default_folder
from alexnet_ros.errors import EngineBuildError, EngineCacheError

KEY = EngineKey(
    model='signs',
    onnx_sha256='ab' * 32,
    flavour='tensorrt',
    tensorrt='10.3.0',
    gpu='Orin',
    compute_capability='8.7',
    driver='L4T 36.4, CUDA 12.6',
    platform='linux aarch64',
    precision='int8',
    shapes='image [1..4..16, 128, 128, 3]',
    flags='level=3',
)
DATA = bytes(range(256)) * 8


@pytest.fixture
def cache(tmp_path: Path) -> EngineCache:
    return EngineCache(tmp_path / 'cache')


def test_stored_engine_is_loaded_again(cache: EngineCache) -> None:
    assert cache.load(KEY) is None
    path = cache.store(KEY, DATA, 1.5)
    assert path == cache.path(KEY)
    assert path.stat().st_mode & 0o777 == 0o600
    assert cache.load(KEY) == DATA
    assert not list(cache.folder.glob('.*')), 'a draft was left'


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def edit(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        facts = json.loads(sidecar(path).read_text())
        change(facts)
        sidecar(path).write_text(json.dumps(facts))

    return apply


def link(path: Path) -> None:
    path.rename(path.with_name('elsewhere'))
    path.symlink_to('elsewhere')


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    'flipped byte': (flip, 'SHA-256'),
    'truncated': (lambda p: p.write_bytes(p.read_bytes()[:-1]), 'bytes'),
    'empty': (lambda p: p.write_bytes(b''), 'bytes'),
    'longer': (lambda p: p.write_bytes(p.read_bytes() + b'x'), 'bytes'),
    'other TensorRT': (edit(lambda f: f['key'].update(tensorrt='8.6.1')), "tensorrt was '8.6.1'"),
    'other model': (edit(lambda f: f['key'].update(onnx_sha256='cd' * 32)), 'onnx_sha256 was'),
    'other GPU': (edit(lambda f: f['key'].update(gpu='Thor')), "gpu was 'Thor', is 'Orin'"),
    'other driver': (edit(lambda f: f['key'].update(driver='1')), "driver was '1'"),
    'key with more': (edit(lambda f: f['key'].update(more=1)), 'more was 1'),
    'no key': (edit(lambda f: f.pop('key')), 'no key'),
    'no size': (edit(lambda f: f.update(bytes='many')), 'no size'),
    'other hash': (edit(lambda f: f.update(sha256='00' * 32)), 'SHA-256'),
    'other format': (edit(lambda f: f.update(format=99)), 'another format'),
    'no sidecar': (lambda p: sidecar(p).unlink(), 'sidecar file is missing'),
    'sidecar no JSON': (lambda p: sidecar(p).write_bytes(b'\xff{'), 'sidecar file cannot be read'),
    'sidecar huge': (lambda p: sidecar(p).write_text('[' * 100_000), 'cannot be read'),
    'sidecar a list': (lambda p: sidecar(p).write_text('[]'), 'another format'),
    'a link': (link, 'cannot be read'),
    'a folder': (folder, 'cannot be read'),
    'a pipe': (fifo, 'cannot be read'),
    'writable by others': (lambda p: p.chmod(0o666), 'another user'),
    'sidecar writable': (lambda p: sidecar(p).chmod(0o666), 'another user'),
}


@pytest.mark.parametrize('fault', FAULTS)
def test_whatever_fails_a_check_is_set_aside_with_the_reason(
    cache: EngineCache, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    apply, reason = FAULTS[fault]
    path = cache.store(KEY, DATA, 1.0)
    apply(path)
    with caplog.at_level(logging.WARNING):
        assert cache.load(KEY) is None
    assert reason in caplog.text
    assert 'rebuilt' in caplog.text
    assert not path.exists()
    assert path.with_name(f'{path.name}.refused').exists() or fault == 'a link'
    cache.store(KEY, DATA, 1.0)
    assert cache.load(KEY) == DATA


def test_upgrade_keeps_the_name_and_another_model_does_not() -> None:
    for name in ('tensorrt', 'driver', 'platform'):
        assert dataclasses.replace(KEY, **{name: 'other'}).name == KEY.name
    rest = {field.name for field in dataclasses.fields(KEY)} - {'tensorrt', 'driver', 'platform'}
    for name in rest - {'kind'}:
        assert dataclasses.replace(KEY, **{name: 'other'}).name != KEY.name


def test_model_name_cannot_leave_the_folder(cache: EngineCache) -> None:
    path = cache.path(dataclasses.replace(KEY, model='../../etc/passwd'))
    assert path.parent == cache.folder


def test_crash_while_writing_leaves_the_old_engine(
    cache: EngineCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.store(KEY, DATA, 1.0)

    def full(_handle: int) -> None:
        raise OSError(28, 'No space left on device')

    with monkeypatch.context() as patch:
        patch.setattr(os, 'fsync', full)
        with pytest.raises(EngineCacheError, match='No space left on device'):
            cache.store(KEY, b'new' * 9, 1.0)
    assert cache.load(KEY) == DATA
    assert not list(cache.folder.glob('.*'))


@pytest.mark.parametrize('call', ['os.fsync', 'os.open', 'pathlib.Path.replace'])
@pytest.mark.parametrize('nth', [1, 2, 3, 4])
def test_store_that_fails_at_its_nth_step_leaves_the_old_engine_or_none(
    cache: EngineCache, monkeypatch: pytest.MonkeyPatch, call: str, nth: int
) -> None:
    cache.store(KEY, DATA, 1.0)
    real: Callable[..., Any] = pkgutil.resolve_name(call)
    left = [nth]

    def failing(*args: Any, **kwargs: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            raise OSError(28, 'No space left on device')
        return real(*args, **kwargs)

    new = DATA[::-1]
    with monkeypatch.context() as patch, contextlib.suppress(EngineCacheError):
        patch.setattr(call, failing)
        cache.store(KEY, new, 1.0)
        assert left[0] != 0 or call == 'os.open', 'a failure went unsaid'
    between = call.endswith('replace') or nth == 4  # of the two files one is in its place
    assert cache.load(KEY) in ({DATA, new, None} if between else {DATA, new})
    EngineCache(cache.folder)
    assert not list(cache.folder.glob('.*'))


KILLED = """
import dataclasses, os, sys
from alexnet_ros.engine.cache import EngineCache, EngineKey
real, left = os.fsync, [int(sys.argv[2])]
def killed(handle):
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), 9)
    real(handle)
os.fsync = killed
cache = EngineCache(sys.argv[1])
cache.store(EngineKey(*['x'] * 11), b'engine', 1.0)
"""


@pytest.mark.parametrize('nth', [1, 2, 3])
def test_drafts_of_a_killed_store_go_at_the_next_start(tmp_path: Path, nth: int) -> None:
    words = [sys.executable, '-c', KILLED, str(tmp_path / 'cache'), str(nth)]
    assert subprocess.run(words, check=False).returncode == -9
    assert list((tmp_path / 'cache').glob('.*'))
    cache = EngineCache(tmp_path / 'cache')
    assert not list(cache.folder.glob('.*'))
    assert cache.load(EngineKey(*['x'] * 11)) is None


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv('XDG_CACHE_HOME', raising=False)
    monkeypatch.setattr(Path, 'expanduser', lambda _: (_ for _ in ()).throw(RuntimeError('no')))
    with pytest.raises(EngineCacheError, match=r'no home folder.*set cache_dir'):
        EngineCache()


def test_a_file_where_the_folder_or_its_parent_should_be_is_said(tmp_path: Path) -> None:
    (tmp_path / 'file').write_text('')
    for place in ('file', 'file/below'):
        with pytest.raises(EngineCacheError, match='cannot be made'):
            EngineCache(tmp_path / place)


def test_a_folder_where_the_engine_should_be_is_set_aside(cache: EngineCache) -> None:
    path = cache.path(KEY)
    path.mkdir()
    with pytest.raises(EngineCacheError, match='a folder stands where'):
        cache.store(KEY, DATA, 1.0)
    assert cache.load(KEY) is None
    cache.store(KEY, DATA, 1.0)
    assert cache.load(KEY) == DATA


def test_a_parent_that_a_group_of_several_can_write_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / 'team').mkdir()
    (tmp_path / 'team').chmod(0o770)
    group = types.SimpleNamespace(gr_name='team', gr_mem=['a', 'b'])
    monkeypatch.setattr(cache_folder.grp, 'getgrgid', lambda _: group)
    with pytest.raises(EngineCacheError, match='chmod go-w'):
        EngineCache(tmp_path / 'team/cache')


def test_entries_tell_the_state_of_each_file(cache: EngineCache) -> None:
    cache.store(KEY, DATA, 1.0)
    other = dataclasses.replace(KEY, model='other')
    flip(cache.store(other, DATA, 1.0))
    third = dataclasses.replace(KEY, model='third')
    cache.set_aside(cache.store(third, DATA, 1.0), 'a test')
    found = {entry.path.name.split('-')[0]: entry for entry in cache.entries()}
    assert found['signs'].state == 'ok'
    assert found['signs'].bytes == len(DATA)
    assert 'SHA-256' in found['other'].state
    assert 'set aside' in found['third'].state
    assert len(cache.entries()) == 3, 'looking must not change anything'


def test_default_folder_follows_xdg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    assert default_folder() == tmp_path / 'alexnet_ros'
    monkeypatch.setenv('XDG_CACHE_HOME', 'relative')  # to be ignored, says the XDG standard
    monkeypatch.setenv('HOME', str(tmp_path))
    assert default_folder() == tmp_path / '.cache/alexnet_ros'


def test_lock_is_waited_for(cache: EngineCache) -> None:
    order: list[str] = []
    entered, leave = threading.Event(), threading.Event()

    def first() -> None:
        with cache.lock(KEY, 300):
            entered.set()
            leave.wait(300)
            order.append('first')

    thread = threading.Thread(target=first)
    thread.start()
    assert entered.wait(300)
    with cache.lock(KEY, 300, lambda _: leave.set()):
        order.append('second')
    thread.join(300)
    assert order == ['first', 'second']


def test_lock_held_too_long_is_an_error(cache: EngineCache) -> None:
    with (
        cache.lock(KEY, 1),
        pytest.raises(EngineBuildError, match='another process'),
        cache.lock(KEY, 0),
    ):
        pass


def hold(folder: str, ready: Any, leave: Any) -> None:
    with EngineCache(folder).lock(KEY, 300):
        ready.set()
        leave.wait(300)


def test_lock_of_a_killed_process_is_free(cache: EngineCache) -> None:
    context = multiprocessing.get_context('spawn')
    ready, leave = context.Event(), context.Event()
    process = context.Process(target=hold, args=(str(cache.folder), ready, leave))
    process.start()
    assert ready.wait(300)
    with pytest.raises(EngineBuildError), cache.lock(KEY, 0):
        pass
    process.kill()
    process.join(300)
    with cache.lock(KEY, 0):
        pass


def test_folder_is_made_for_its_user_alone(tmp_path: Path) -> None:
    assert EngineCache(tmp_path / 'a/b').folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize('mode', [0o770, 0o707, 0o777])
def test_folder_that_others_can_write_is_refused(tmp_path: Path, mode: int) -> None:
    (tmp_path / 'cache').mkdir()
    (tmp_path / 'cache').chmod(mode)
    with pytest.raises(EngineCacheError, match='chmod 0700'):
        EngineCache(tmp_path / 'cache')


def test_folder_whose_parent_others_can_write_is_refused(tmp_path: Path) -> None:
    (tmp_path / 'open').mkdir()
    (tmp_path / 'open').chmod(0o777)
    with pytest.raises(EngineCacheError, match='could be replaced'):
        EngineCache(tmp_path / 'open/cache')


def test_folder_of_someone_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uid = os.geteuid()
    monkeypatch.setattr(os, 'geteuid', lambda: uid + 1)
    with pytest.raises(EngineCacheError, match='belongs to user'):
        EngineCache(tmp_path / 'cache')


def test_folder_that_is_a_link_or_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / 'real').mkdir(mode=0o700)
    (tmp_path / 'cache').symlink_to('real')
    with pytest.raises(EngineCacheError, match='is a link'):
        EngineCache(tmp_path / 'cache')
    (tmp_path / 'file').touch()
    with pytest.raises(EngineCacheError, match='cannot be made'):
        EngineCache(tmp_path / 'file')


def test_folder_that_cannot_be_written_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, 'access', lambda *_: False)
    with pytest.raises(EngineCacheError, match='rebuilt at every start'):
        EngineCache(tmp_path / 'cache')
