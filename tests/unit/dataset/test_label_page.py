"""The labelling page over HTTP, and in a real browser where there is one."""

import contextlib
import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from alexnet_ros.cli.label import _classes_in, _pictures
from alexnet_ros.dataset.label_page import Labelling, Source, page_server
from alexnet_ros.errors import BagError, DatasetError
from alexnet_ros.training.layouts import read_data
from tests.browser import Browser, find_browser

CLASSES = ('blocked', 'free')


def pictures(count: int = 6) -> Iterator[tuple[np.ndarray, None]]:
    for number in range(count):
        yield np.full((48, 64, 3), 20 * number, np.uint8), None


@contextlib.contextmanager
def served(labelling: Labelling) -> Iterator[int]:
    with page_server(labelling, 0) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def ask(
    port: int, method: str, path: str, values: Any = None, **headers: str
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection('127.0.0.1', port, timeout=1200)
    body = None if values is None else json.dumps(values)
    sent = {
        'Content-Type': 'application/json',
        **{k.replace('_', '-'): v for k, v in headers.items()},
    }
    connection.request(method, path, body, sent)
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def test_a_label_stores_the_picture_that_was_shown(tmp_path: Path) -> None:
    now = [0.0]
    labelling = Labelling(
        tmp_path, CLASSES, Source(pictures()), scene_s=10, val_every=2, clock=lambda: now[0]
    )
    with served(labelling) as port:
        assert b'<title>Label pictures' in ask(port, 'GET', '/')[1]
        state = json.loads(ask(port, 'GET', '/state')[1])
        assert state == {
            'classes': ['blocked', 'free'],
            'counts': [0, 0],
            'scene': 0,
            'part': 'train',
            'frame': 1,
        }
        shown = cv2.imdecode(np.frombuffer(ask(port, 'GET', '/frame.jpg')[1], np.uint8), 1)
        assert shown.shape == (48, 64, 3)
        state = json.loads(ask(port, 'POST', '/label', {'frame': 1, 'class': 'free'})[1])
        assert (state['counts'], state['frame']) == ([0, 1], 2)
        now[0] = 11.0  # another scene by itself, which is one for validation
        ask(port, 'POST', '/label', {'frame': 2, 'class': 'blocked'})
        ask(port, 'POST', '/skip', {})
        state = json.loads(ask(port, 'POST', '/scene', {})[1])
        assert (state['scene'], state['part'], state['frame']) == (2, 'train', 4)
        ask(port, 'POST', '/label', {'frame': 4, 'class': 'blocked'})
        ask(port, 'POST', '/label', {'frame': 5, 'class': 'blocked'})
        state = json.loads(ask(port, 'POST', '/undo', {})[1])
        assert state['counts'] == [2, 1]
    data = read_data(tmp_path)
    assert sorted((r.part, data.names[r.class_id]) for r in data.records) == [
        ('train', 'blocked'),
        ('train', 'free'),
        ('val', 'blocked'),
    ]
    assert Labelling(tmp_path, CLASSES, Source(pictures())).scene == 3  # goes on


def test_what_collect_left_is_moved_and_undone(tmp_path: Path) -> None:
    (tmp_path / 'unlabelled').mkdir()
    for number in range(3):
        image = np.full((40, 40, 3), 60 * number, np.uint8)
        cv2.imwrite(str(tmp_path / f'unlabelled/{number}.png'), image)
    source = Source(_pictures(tmp_path / 'unlabelled', 10))
    labelling = Labelling(tmp_path, CLASSES, source, val_every=0)
    for name in ('free', 'blocked'):
        shown = labelling.show()
        assert shown is not None
        assert labelling.label(shown.number, name) == ''
    assert (tmp_path / 'free/0.png').is_file()
    labelling.undo()
    assert (tmp_path / 'unlabelled/1.png').is_file()
    assert _classes_in(tmp_path) == ['blocked', 'free']


@pytest.mark.parametrize(
    ('path', 'values', 'headers', 'status'),
    [
        ('/label', {'frame': 1, 'class': 'free'}, {'Host': 'evil.example'}, 403),
        ('/label', {'frame': 1, 'class': 'free'}, {'Origin': 'http://evil.example'}, 403),
        ('/label', {'frame': 1, 'class': 'free'}, {'Content_Type': 'text/plain'}, 403),
        ('/label', {'frame': 1, 'class': '../etc'}, {}, 409),
        ('/label', {'frame': 9, 'class': 'free'}, {}, 409),
        ('/label', {'class': 'free'}, {}, 400),
        ('/label', ['free'], {}, 400),
        ('/label', {'frame': 1, 'class': 'x' * 5000}, {}, 400),
        ('/other', {}, {}, 404),
    ],
)
def test_other_requests_change_nothing(
    path: str, values: Any, headers: dict[str, str], status: int, tmp_path: Path
) -> None:
    labelling = Labelling(tmp_path, CLASSES, Source(pictures()))
    labelling.show()
    with served(labelling) as port:
        assert ask(port, 'POST', path, values, **headers)[0] == status
        assert ask(port, 'GET', '/state', Host='evil.example')[0] == 403
        assert ask(port, 'GET', '/../../etc/passwd')[0] == 404
    assert not [path for path in tmp_path.rglob('*') if path.is_file()]


def test_video_and_bag_are_stepped_through(tmp_path: Path) -> None:
    from tests.boxes_bag import write_frames

    bag = write_frames(tmp_path / 'bag', [0] * 7)
    assert len(list(_pictures(bag, 3))) == 3
    (tmp_path / 'x.mp4').write_bytes(b'nothing')
    with pytest.raises(BagError, match='no images'):
        list(_pictures(tmp_path / 'x.mp4', 1))
    with pytest.raises(DatasetError, match='does not exist'):
        list(_pictures(tmp_path / 'none', 1))


@pytest.mark.slow
def test_keys_and_buttons_label_in_a_real_browser(tmp_path: Path) -> None:
    program = find_browser()
    labelling = Labelling(tmp_path / 'set', CLASSES, Source(pictures()), val_every=0)
    with served(labelling) as port:
        browser = Browser(program, tmp_path / 'profile')
        try:
            browser.open(f'http://127.0.0.1:{port}/')
            text = "document.getElementById('classes').innerText"
            browser.until(f'!!document.body && {text}.includes("blocked [1]: 0")', wanted=True)
            browser.until("document.getElementById('picture').naturalWidth", 64)
            browser.press('2')
            browser.until(f'{text}.includes("free [2]: 1")', wanted=True)
            browser.value("document.querySelectorAll('#classes button')[0].click()")
            browser.until(f'{text}.includes("blocked [1]: 1")', wanted=True)
            browser.press('u')
            browser.until(f'{text}.includes("blocked [1]: 0")', wanted=True)
            browser.press('n')
            browser.until("document.getElementById('status').innerText", 'scene 1')
        finally:
            browser.close()
    assert len(list((tmp_path / 'set/free').iterdir())) == 1
    assert not list((tmp_path / 'set/blocked').iterdir())
