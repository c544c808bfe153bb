import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from alexnet_ros.cli.main import main
from alexnet_ros.errors import ImageFormatError
from alexnet_ros.model_package import ScoreSpec
from alexnet_ros.video import open_media
from tests.models import tiny_package

Captured = pytest.CaptureFixture[str]
KEYS = ['bbox_xywh', 'class_id', 'class_name', 'score', 'unknown', 'track_id']


@pytest.fixture(name='model', scope='module')
def _model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_package(tmp_path_factory.mktemp('models') / 'tiny', classes=3).folder)


def scene(x: int = 300, side: int = 80) -> np.ndarray:
    """A grey road with one blue sign, an arrow to the right, BGR."""
    image = np.full((360, 640, 3), 110, np.uint8)
    radius = side // 2
    cv2.circle(image, (x, 150), radius, (255, 0, 0), -1, cv2.LINE_AA)
    cv2.circle(image, (x, 150), radius - 3, (255, 255, 255), 2, cv2.LINE_AA)
    ends = (x - radius // 2, 150), (x + radius // 2, 150)
    cv2.arrowedLine(image, *ends, (255, 255, 255), radius // 6, cv2.LINE_AA, tipLength=0.4)
    return image


def picture(folder: Path, name: str = 'road.png') -> Path:
    path = folder / name
    cv2.imwrite(str(path), scene())
    return path


def film(folder: Path, frames: int = 12, name: str = 'drive.mp4') -> Path:
    path = folder / name
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), 20.0, (640, 360))
    for number in range(frames):
        writer.write(scene(300 + 4 * number, 60 + 2 * number))
    writer.release()
    return path


def recognize(model: str, *words: object) -> int:
    return main(['recognize', '--model', model, '--backend', 'cpu', *map(str, words)])


def lines(capsys: Captured) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_picture_gives_one_line_with_the_found_sign(
    model: str, tmp_path: Path, capsys: Captured
) -> None:
    path = picture(tmp_path)
    assert recognize(model, '--json', path) == 0
    (row,) = lines(capsys)
    assert list(row) == ['file', 'frame', 'stamp_s', 'detections']
    assert (row['file'], row['frame'], row['stamp_s']) == (str(path), 0, 0.0)
    (found,) = row['detections']
    assert list(found) == KEYS
    assert found['class_name'] == 'blue'
    assert found['track_id'] is None
    assert not found['unknown']
    assert 0.7 < found['score'] <= 1
    assert np.allclose(found['bbox_xywh'], [260, 110, 80, 80], atol=12)


def test_film_gives_a_line_a_frame_and_confirms_the_sign(
    model: str, tmp_path: Path, capsys: Captured
) -> None:
    assert recognize(model, '--json', film(tmp_path)) == 0
    rows = lines(capsys)
    assert [row['frame'] for row in rows] == list(range(12))
    assert [row['stamp_s'] for row in rows] == pytest.approx(np.arange(12) / 20)
    ids = [row['detections'][0]['track_id'] for row in rows]
    assert ids == [None, None] + ['1'] * 10


def test_every_looks_at_fewer_frames(model: str, tmp_path: Path, capsys: Captured) -> None:
    assert recognize(model, '--json', '--every', 5, film(tmp_path)) == 0
    assert [row['frame'] for row in lines(capsys)] == [0, 5, 10]


def test_tracks_do_not_reach_from_one_file_into_the_next(
    model: str, tmp_path: Path, capsys: Captured
) -> None:
    paths = [picture(tmp_path, f'{number}.png') for number in range(5)]
    assert recognize(model, '--json', *paths) == 0
    assert [d['track_id'] for row in lines(capsys) for d in row['detections']] == [None] * 5


def test_sign_without_class_is_unknown_in_json(tmp_path: Path, capsys: Captured) -> None:
    strict = tiny_package(tmp_path / 'strict', classes=3, scores=ScoreSpec(energy=-1000.0))
    assert recognize(str(strict.folder), '--json', picture(tmp_path)) == 0
    (row,) = lines(capsys)
    (found,) = row['detections']
    assert (found['class_id'], found['class_name']) == (-1, 'unknown')
    assert found['unknown']


def test_background_is_left_out(tmp_path: Path, capsys: Captured) -> None:
    background = tiny_package(tmp_path / 'none', classes=3, background=True)  # blue is none
    assert recognize(str(background.folder), '--json', picture(tmp_path)) == 0
    assert lines(capsys)[0]['detections'] == []


def test_whole_frames_are_classified_when_asked(
    model: str, tmp_path: Path, capsys: Captured
) -> None:
    assert recognize(model, '--json', '--regions', 'frame', picture(tmp_path)) == 0
    (found,) = lines(capsys)[0]['detections']
    assert found['bbox_xywh'] == [0, 0, 640, 360]


def test_unreadable_files_are_named_and_the_others_done(
    model: str, tmp_path: Path, capsys: Captured
) -> None:
    good = picture(tmp_path)
    text = tmp_path / 'text.txt'
    text.write_text('no picture')
    torn = tmp_path / 'torn.png'
    torn.write_bytes(good.read_bytes()[:200])
    empty = tmp_path / 'empty.mp4'
    empty.write_bytes(b'')
    folder = tmp_path / 'folder'
    folder.mkdir()
    bad = (text, torn, empty, folder, tmp_path / 'gone.jpg')
    assert recognize(model, '--json', *bad, good) == 1
    out, err = capsys.readouterr()
    assert [json.loads(line)['file'] for line in out.splitlines()] == [str(good)]
    told = [line for line in err.splitlines() if line.startswith('alexnet_ros recognize: ')]
    for number, path in enumerate(bad):
        assert str(path) in told[number]
    assert 'Traceback' not in err


def test_output_gets_annotated_pictures_and_films(
    model: str, tmp_path: Path, capsys: Captured
) -> None:
    other = tmp_path / 'other'
    other.mkdir()
    out = tmp_path / 'new/out'
    words = ['--json', '--output', out, picture(tmp_path), picture(other), film(tmp_path)]
    assert recognize(model, *words) == 0
    (video,) = out.glob('drive.*')
    assert sorted(path.name for path in out.iterdir()) == [video.name, 'road.png', 'road_2.png']
    assert (cv2.imread(str(out / 'road.png')) != scene()).any()
    written = cv2.VideoCapture(str(video))
    assert int(written.get(cv2.CAP_PROP_FRAME_COUNT)) == 12
    written.release()
    assert len(lines(capsys)) == 14


def test_text_tells_each_confirmed_sign_of_a_film_once(
    model: str, tmp_path: Path, capsys: Captured
) -> None:
    assert recognize(model, film(tmp_path), picture(tmp_path)) == 0
    out, err = capsys.readouterr()
    told = out.splitlines()
    assert len(told) == 2
    assert 'drive.mp4 0.10 s frame 2: blue' in told[0]
    assert '#1' in told[0]
    assert 'road.png: blue' in told[1]
    assert '12/12' in err


def test_output_that_cannot_be_made_is_one_clear_line(
    model: str, tmp_path: Path, capsys: Captured
) -> None:
    path = picture(tmp_path)
    assert recognize(model, '--output', path / 'below', path) == 1
    assert 'cannot be written' in capsys.readouterr().err


@pytest.mark.parametrize(
    'words',
    [
        ['--every', '0', 'a.png'],
        ['--score-threshold', '2', 'a.png'],
        [],
        ['--regions', 'detections', 'a.png'],
    ],
)
def test_wrong_usage_exits_with_2(model: str, words: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        recognize(model, *words)
    assert stopped.value.code == 2


def test_film_cut_short_is_unreadable(tmp_path: Path) -> None:
    path = film(tmp_path)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(ImageFormatError), open_media(path) as media:
        list(media)


def test_film_of_too_many_pixels_is_refused_before_a_frame_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('alexnet_ros.video.MAX_PIXELS', 360 * 640 - 1)
    with pytest.raises(ImageFormatError, match='too_many_pixels'):
        open_media(film(tmp_path))
