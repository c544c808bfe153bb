from pathlib import Path

import cv2
import numpy as np
import pytest

from alexnet_ros.errors import DatasetError
from alexnet_ros.training.negatives import negatives, random_crop, video_frames
from alexnet_ros.training.sources import ImageBank, Record


def bank(folder: Path) -> ImageBank:
    picture = np.full((50, 52, 3), 90, np.uint8)
    cv2.circle(picture, (26, 25), 20, (30, 30, 200), -1)
    cv2.imwrite(str(folder / 'sign.png'), picture)
    return ImageBank([Record(folder / 'sign.png', 0, '')])


def made(folder: Path, seed: int, *, road: bool = True) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    frames = [rng.integers(0, 256, (120, 200, 3), dtype=np.uint8)] if road else []
    return negatives(bank(folder), frames, rng, 200)


@pytest.mark.parametrize('road', [True, False])
def test_negatives_are_pictures_of_every_kind(tmp_path: Path, *, road: bool) -> None:
    found = made(tmp_path, 0, road=road)
    assert len(found) == 200
    assert all(image.dtype == np.uint8 and image.shape[2] == 3 for image in found)
    assert min(min(image.shape[:2]) for image in found) >= 8
    assert len({image.shape for image in found}) > 10
    assert sum(image.std() > 0 for image in found) > 190


def test_same_seed_makes_the_same_negatives(tmp_path: Path) -> None:
    for one, two in zip(made(tmp_path, 4), made(tmp_path, 4), strict=True):
        np.testing.assert_array_equal(one, two)


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
