import re
from pathlib import Path

import cv2
import pytest

from alexnet_ros.bags.find import bags_in
from alexnet_ros.bags.pictures import bag_from_sources
from alexnet_ros.bags.reader import BagReader
from alexnet_ros.errors import BagError
from alexnet_ros.recognizer import Recognizer
from alexnet_ros.replay.replay import replay_bag
from alexnet_ros.video import VideoWriter
from tests.boxes_bag import frame_of
from tests.shared_data import shared


def small_video(folder: Path, recognizer: Recognizer, frames: int = 8) -> Path:
    from alexnet_ros.records import Frame

    writer = VideoWriter(folder, 20.0)
    for index in range(frames):
        frame = Frame(frame_of(0, seed=index), index)
        (recognition,) = recognizer.recognize([frame])
        writer.write(recognition, frame.image_rgb)
    writer.close()
    return writer.paths[0]


@pytest.mark.parametrize('compressed', [False, True])
def test_video_becomes_a_bag_with_its_frame_rate(
    tmp_path: Path, recognizer: Recognizer, compressed: bool
) -> None:
    video = small_video(tmp_path, recognizer)
    count = bag_from_sources(tmp_path / 'bag', [str(video)], compressed=compressed, start_ns=10**9)
    with BagReader(tmp_path / 'bag') as bag:
        stamps = [image.stamp_ns for image in bag.images()]
    assert count == 8
    assert stamps == [10**9 + index * 50_000_000 for index in range(8)]


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    (tmp_path / 'text.mp4').write_text('hello')
    (tmp_path / 'empty').mkdir()
    for name in ('text.mp4', 'none.mp4', 'empty', 'none*.png'):
        with pytest.raises(BagError, match=re.escape(name)):
            bag_from_sources(tmp_path / 'bag', [str(tmp_path / name)])
        assert not (tmp_path / 'bag').exists()


def test_camera_that_is_not_there_is_told(tmp_path: Path) -> None:
    for name in ('97', '/dev/video97'):
        with pytest.raises(BagError, match=f'{name}: cannot be opened as a camera'):
            bag_from_sources(tmp_path / 'bag', [name])


def test_pictures_and_videos_follow_each_other_in_one_bag(
    tmp_path: Path, recognizer: Recognizer
) -> None:
    for index in (2, 10, 1):
        picture = frame_of(index % 3, seed=index)
        assert cv2.imwrite(str(tmp_path / f'f_{index}.png'), picture[..., ::-1])
    video = small_video(tmp_path, recognizer)
    names = [str(tmp_path / 'f_*.png'), str(video)]
    assert bag_from_sources(tmp_path / 'bag', names, rate_hz=4.0, start_ns=10**9) == 11
    with BagReader(tmp_path / 'bag') as bag:
        stamps = [image.stamp_ns - 10**9 for image in bag.images()]
    step_ns = 250_000_000
    assert stamps == [0, step_ns, 2 * step_ns] + [
        3 * step_ns + 50_000_000 * index for index in range(8)
    ]


def test_video_and_pictures_are_replayed_as_they_are(
    tmp_path: Path, recognizer: Recognizer
) -> None:
    video = small_video(tmp_path, recognizer)
    assert bags_in([str(video)]) == [video]
    run = replay_bag(video, tmp_path / 'out', recognizer)
    assert (run.processed, run.account['lost']) == (8, 0)
    pictures = tmp_path / 'pictures'
    pictures.mkdir()
    for index in range(12):
        assert cv2.imwrite(str(pictures / f'{index}.png'), frame_of(0, seed=index)[..., ::-1])
    assert bags_in([str(pictures)]) == [pictures]
    with BagReader(pictures) as reader:
        shown = [image.message.data.sum() for image in reader.images()]
    assert shown == [frame_of(0, seed=index).sum() for index in range(12)]


@pytest.mark.slow
def test_real_drive_is_replayed_whole(tmp_path: Path, recognizer: Recognizer) -> None:
    video = shared('drive') / 'solidWhiteRight.mp4'
    bag_from_sources(tmp_path / 'bag', [str(video)], compressed=True)
    run = replay_bag(tmp_path / 'bag', tmp_path / 'out', recognizer)
    assert run.processed == 221
    assert not run.losses
