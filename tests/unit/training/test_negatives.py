from pathlib import Path

import cv2
import numpy as np
import pytest

from alexnet_ros.errors import DatasetError
from alexnet_ros.training import drawn
from alexnet_ros.training.negatives import NegativeMaker, random_crop, video_frames


def maker(seed: int = 0) -> NegativeMaker:
    rng = np.random.default_rng(seed)
    crops = []
    for _ in range(43):
        canvas = np.full((drawn.CANVAS, drawn.CANVAS, 3), 90, np.uint8)
        drawn.known_sign(canvas, rng)
        crops.append(cv2.resize(canvas, (52, 50)).astype(np.uint8))
    frames = [rng.integers(0, 256, (120, 200, 3), dtype=np.uint8)]
    return NegativeMaker(crops, np.arange(43), frames, rng, traffic_signs=True)


def test_negatives_are_pictures_of_every_kind() -> None:
    source = maker()
    made = [source.negative() for _ in range(200)]
    assert all(image.dtype == np.uint8 and image.shape[2] == 3 for image in made)
    assert min(min(image.shape[:2]) for image in made) >= 8
    assert len({image.shape for image in made}) > 10
    assert all(source.displaced().std() > 0 for _ in range(20))


def test_same_seed_makes_the_same_negatives() -> None:
    one, two = maker(4), maker(4)
    for _ in range(30):
        np.testing.assert_array_equal(one.negative(), two.negative())


def test_drawn_known_signs_carry_their_class() -> None:
    source = maker()
    classes = {source.drawn_sign(known=True)[1] for _ in range(120)}
    assert classes <= {*drawn.SPEEDS.values(), 12, 13, 14, 15, 17, 18}
    assert len(classes) > 8
    assert {source.drawn_sign(known=False)[1] for _ in range(20)} == {-1}


def test_unknown_numbers_are_no_class() -> None:
    assert not set(drawn.OTHER_NUMBERS) & set(drawn.SPEEDS)


def test_random_crop_stays_inside_and_never_grows() -> None:
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 256, (60, 40, 3), dtype=np.uint8)
    for _ in range(200):
        piece = random_crop(frame, rng)
        assert 1 <= piece.shape[0] <= 96
        assert 1 <= piece.shape[1] <= 96


def test_video_gives_the_asked_share(tmp_path: Path) -> None:
    path = tmp_path / 'v.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 10, (64, 48))
    for level in range(30):
        writer.write(np.full((48, 64, 3), 8 * level, np.uint8))
    writer.release()
    first, last = video_frames(path, 0.0, 2 / 3), video_frames(path, 2 / 3)
    assert (len(first), len(last)) == (20, 10)
    assert first[-1].mean() < last[0].mean()
    with pytest.raises(DatasetError, match='not a readable video'):
        video_frames(tmp_path / 'none.mp4')
