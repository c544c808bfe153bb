from pathlib import Path

import pytest

from alexnet_ros.bags.convert import bag_from_video
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
    count = bag_from_video(tmp_path / 'bag', video, compressed=compressed, start_ns=10**9)
    with BagReader(tmp_path / 'bag') as bag:
        stamps = [image.stamp_ns for image in bag.images()]
    assert count == 8
    assert stamps == [10**9 + index * 50_000_000 for index in range(8)]


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    (tmp_path / 'text.mp4').write_text('hello')
    for name in ('text.mp4', 'none.mp4'):
        with pytest.raises(BagError, match='cannot be read as a video'):
            bag_from_video(tmp_path / 'bag', tmp_path / name)


@pytest.mark.slow
def test_real_drive_is_replayed_whole(tmp_path: Path, recognizer: Recognizer) -> None:
    video = shared('drive') / 'solidWhiteRight.mp4'
    bag_from_video(tmp_path / 'bag', video, compressed=True)
    run = replay_bag(tmp_path / 'bag', tmp_path / 'out', recognizer)
    assert run.processed == 221
    assert not run.losses
