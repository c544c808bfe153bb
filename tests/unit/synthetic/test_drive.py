from pathlib import Path

import numpy as np

from alexnet_ros.bags.reader import BagReader
from alexnet_ros.synthetic.drive import drive_frames, write_drive_bag
from alexnet_ros.synthetic.scene import PlacedSign
from alexnet_ros.synthetic.signs import SIGNS, sign_extent, sign_texture

SIGN = (PlacedSign(14, 20),)


def test_same_seed_gives_the_same_pixels() -> None:
    first, second = (list(drive_frames(signs=SIGN, duration_s=0.1)) for _ in range(2))
    assert all(
        np.array_equal(a.image_rgb, b.image_rgb) for a, b in zip(first, second, strict=True)
    )
    other = next(drive_frames(signs=SIGN, duration_s=0.1, seed=8))
    assert not np.array_equal(other.image_rgb, first[0].image_rgb)


def test_box_holds_the_sign_and_grows() -> None:
    frames = list(drive_frames(signs=SIGN, duration_s=1.4))
    boxes = [frame.boxes[0].bbox_xywh for frame in frames if frame.boxes]
    widths = [box[2] for box in boxes]
    assert len(boxes) > 20
    assert widths == sorted(widths)
    assert widths[-1] > 50
    frame = [frame for frame in frames if frame.boxes][-1]
    x, y, width, height = (round(value) for value in frame.boxes[0].bbox_xywh)
    red = frame.image_rgb[y : y + height, x : x + width].astype(int)
    assert ((red[..., 0] - red[..., 1]) > 60).mean() > 0.5


def test_every_sign_is_drawn_within_its_square() -> None:
    for class_id in SIGNS:
        left, top, width, height = sign_extent(class_id)
        assert min(left, top) >= 0
        assert max(left + width, top + height) <= 1
        assert min(width, height) > 0.8
        assert sign_texture(class_id)[..., :3].max() > 200


def test_bag_holds_frames_and_truth(tmp_path: Path) -> None:
    for compressed in (False, True):
        folder = tmp_path / f'bag{compressed}'
        truth = write_drive_bag(
            folder, compressed=compressed, signs=SIGN, duration_s=1.3, rate_hz=10.0
        )
        with BagReader(folder) as bag:
            images = list(bag.images())
        assert truth.frames == len(images) == 13
        assert [sign.class_id for sign in truth.signs] == [14]
        assert (folder / 'truth.csv').read_text().count('\n') == 2
        assert (folder / 'boxes.csv').read_text().count('\n') == len(truth.boxes) + 1
        assert {box.stamp_ns for box in truth.boxes} <= {image.stamp_ns for image in images}
