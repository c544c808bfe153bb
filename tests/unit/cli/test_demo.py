"""What the demo plays and prints, without ROS."""

from pathlib import Path
from types import SimpleNamespace as Thing
from typing import Any

import cv2
import numpy as np
import pytest

from alexnet_ros.bags.typestore import stamp_ns_from_cdr
from alexnet_ros.bags.writer import BagWriter
from alexnet_ros.cli import demo_input
from alexnet_ros.cli.demo_print import Printer
from alexnet_ros.cli.main import main
from alexnet_ros.errors import BagError
from alexnet_ros.synthetic import drive
from tests.models import tiny_package


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / 'drive.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'MJPG'), 25.0, (64, 48))
    for index in range(5):
        writer.write(np.full((48, 64, 3), (0, 0, 40 * index), np.uint8))
    writer.release()
    return path


def test_video_gives_every_frame_at_its_time(video: Path) -> None:
    source = demo_input.bag_input(video)
    pictures = list(source.pictures())
    assert source.frames == len(pictures) == 5
    stamps = [stamp_ns_from_cdr(p.data) for p in pictures]
    assert [stamp - stamps[0] for stamp in stamps] == [n * 40_000_000 for n in range(5)]
    assert [p.log_ns for p in pictures] == stamps
    image_rgb = source.rgb(pictures[4].data)
    assert image_rgb.shape == (48, 64, 3)
    assert abs(int(image_rgb[20, 20, 0]) - 160) < 8  # red first


def test_video_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BagError, match=r'none.mp4 is not a bag.* or video'):
        demo_input.bag_input(tmp_path / 'none.mp4')
    (tmp_path / 'text.mp4').write_text('not a video')
    with pytest.raises(BagError, match='not a video that OpenCV can read'):
        demo_input.bag_input(tmp_path / 'text.mp4')


@pytest.mark.parametrize('compressed', [False, True])
def test_bag_gives_the_images_of_one_topic(tmp_path: Path, compressed: bool) -> None:
    drive.write_drive_bag(tmp_path / 'bag', compressed=compressed, duration_s=0.2)
    source = demo_input.bag_input(tmp_path / 'bag')
    assert source.topic == '/camera/image' + ('/compressed' if compressed else '')
    pictures = list(source.pictures())
    assert len(pictures) == source.frames == 6
    assert source.rgb(pictures[0].data).shape == (480, 640, 3)
    assert stamp_ns_from_cdr(pictures[0].data) == drive.START_NS


def test_bag_without_the_topic_is_refused_with_what_it_has(tmp_path: Path) -> None:
    with BagWriter(tmp_path / 'bag') as bag:
        bag.write_image('/front/image', 10**9, np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(BagError, match=r'no images on /rear.*/front/image'):
        demo_input.bag_input(tmp_path / 'bag', '/rear')


def test_rendered_drive_is_made_once(tmp_path: Path, monkeypatch: Any) -> None:
    real, made = drive.write_drive_bag, []

    def short(folder: Path, **options: Any) -> Any:
        made.append(folder)
        return real(folder, duration_s=0.1, **options)

    monkeypatch.setattr(drive, 'write_drive_bag', short)
    (tmp_path / 'drive-of-old-code').mkdir()
    first = demo_input.rendered_drive(tmp_path)
    second = demo_input.rendered_drive(tmp_path)
    assert len(made) == 1
    assert first == second
    assert first.truth is not None
    assert first.truth.is_file()
    assert not (tmp_path / 'drive-of-old-code').exists()


def test_demo_of_a_missing_model_or_bag_is_one_line(tmp_path: Path, capsys: Any) -> None:
    assert main(['demo', '--model', str(tmp_path / 'none'), '--output', str(tmp_path)]) == 1
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    tiny_package(tmp_path / 'model')
    words = [
        'demo',
        '--model',
        str(tmp_path / 'model'),
        '--bag',
        str(tmp_path / 'no_bag'),
        '--output',
        str(tmp_path / 'out'),
    ]
    assert main(words) == 1
    assert 'no_bag is not a bag' in capsys.readouterr().err


def _detections(seconds: int, *found: tuple[str, str, float]) -> Any:
    stamp = Thing(sec=seconds, nanosec=500_000_000)
    return Thing(
        header=Thing(stamp=stamp),
        detections=[
            Thing(id=track, results=[Thing(hypothesis=Thing(class_id=class_id, score=score))])
            if class_id
            else Thing(id=track, results=[])
            for track, class_id, score in found
        ],
    )


def test_printer_says_each_sign_limit_and_lock_once(capsys: Any) -> None:
    printer = Printer(10**9, {2: 'Speed limit (50km/h)'})

    def show(kind: str, message: Any) -> None:
        printer.show(Thing(kind=kind, message=message))

    signs, limit, lock = (
        'vision_msgs/msg/Detection2DArray',
        'nav2_msgs/msg/SpeedLimit',
        'std_msgs/msg/Bool',
    )
    show(lock, Thing(data=False))
    show(signs, _detections(2, ('', '2', 0.9), ('7', '', 0.0)))
    show(signs, _detections(3, ('7', '2', 0.987)))
    show(limit, Thing(percentage=False, speed_limit=13.89))
    show(limit, Thing(percentage=False, speed_limit=13.89))
    show(signs, _detections(4, ('7', '2', 0.99)))
    show(lock, Thing(data=True))
    show(limit, Thing(percentage=True, speed_limit=60.0))
    show(limit, Thing(percentage=False, speed_limit=0.0))
    lines = [' '.join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        '2.50 s sign Speed limit (50km/h) 0.987',
        '2.50 s speed limit 13.89 m/s (50 km/h)',
        '3.50 s stop lock on',
        '3.50 s speed limit 60 % of the maximum',
        '3.50 s speed limit none',
    ]
