import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from alexnet_ros.model_package import InputSpec
from alexnet_ros.training.augment import SignAugmentation, backlit, behind_leaves, colour_matrix
from alexnet_ros.training.batches import (
    PaperAugmentation,
    augmentation_for,
    colour_components,
    plain,
)
from alexnet_ros.training.evaluate import whole_images
from alexnet_ros.training.settings import TrainSettings
from alexnet_ros.training.sources import ImageBank, Record
from tests.unit.training.generated import picture

STILL = SignAugmentation(
    rotation_deg=0,
    scale=1,
    stretch=1,
    shift=0,
    shear=0,
    perspective=0,
    photometry=0,
    blur=0,
    low_resolution=0,
    noise=0,
    shadow=0,
    occlusion=0,
    jpeg=0,
    backlight=0,
    equalised=0,
    leaves=0,
)


def test_without_strength_it_only_resizes() -> None:
    image = picture(3, np.random.default_rng(0))
    out = np.zeros((96, 96, 3), np.uint8)
    STILL(image, out, np.random.default_rng(0))
    wanted = cv2.resize(image, (96, 96), interpolation=cv2.INTER_LINEAR)
    inner = (slice(2, -2), slice(2, -2))  # the border may be filled with a colour
    assert np.abs(out[inner].astype(int) - wanted[inner]).max() <= 2


@pytest.mark.parametrize('shape', [(25, 25, 3), (14, 40, 3), (243, 225, 3), (1, 1, 3), (3, 90, 3)])
def test_any_crop_survives_any_change(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, shape, dtype=np.uint8)
    before = image.copy()
    out = np.zeros((64, 64, 3), np.uint8)
    for _ in range(60):
        SignAugmentation()(image, out, rng)
    np.testing.assert_array_equal(image, before)


def test_same_seed_gives_the_same_picture() -> None:
    image = picture(1, np.random.default_rng(0))
    one, two = np.zeros((2, 64, 64, 3), np.uint8)
    SignAugmentation()(image, one, np.random.default_rng(5))
    SignAugmentation()(image, two, np.random.default_rng(5))
    np.testing.assert_array_equal(one, two)


def test_signs_are_never_mirrored_unless_asked() -> None:
    image = np.zeros((48, 48, 3), np.uint8)
    image[:, :20] = 255  # bright on the left
    rng = np.random.default_rng(0)
    sides = {True: 0, False: 0}
    for mirror in (False, True):
        augment = SignAugmentation(mirror=mirror)
        out = np.zeros((64, 64, 3), np.uint8)
        for _ in range(40):
            augment(image, out, rng)
            sides[mirror] += int(out[:, 40:].mean() > out[:, :20].mean() + 30)
    assert sides[False] == 0
    assert sides[True] > 5


def test_hue_turns_colours_and_leaves_grey() -> None:
    third = colour_matrix(1.0, 2 * math.pi / 3)
    np.testing.assert_allclose(third @ [1, 0, 0], [0, 1, 0], atol=1e-6)
    np.testing.assert_allclose(colour_matrix(0.4, 0.2) @ [7, 7, 7], [7, 7, 7], rtol=1e-5)


def test_paper_changes_crop_mirror_and_shift_colours() -> None:
    rng = np.random.default_rng(0)
    images = [picture(int(c), rng, 64) for c in range(4)] * 5
    components = colour_components(images, len(images))
    variances = np.linalg.norm(components, axis=1)
    np.testing.assert_allclose(components @ components.T, np.diag(variances**2), atol=1e-9)
    assert variances[0] >= variances[1] >= variances[2] > 0
    out = np.zeros((56, 56, 3), np.uint8)
    means = []
    for _ in range(30):
        PaperAugmentation(components, sigma=2.0)(images[0], out, rng)
        means.append(out.mean())
    assert np.std(means) > 1


def test_plain_resizes() -> None:
    image = picture(2, np.random.default_rng(0))
    out = np.zeros((56, 56, 3), np.uint8)
    plain(image, out, np.random.default_rng(0))
    np.testing.assert_array_equal(out, whole_images([image], [0], InputSpec(56, 56))[0])


def test_a_backlit_sign_is_darker_than_what_is_around_it() -> None:
    image = np.full((60, 60, 3), 120, np.uint8)
    lit = backlit(image, np.random.default_rng(0))
    assert lit[25:35, 25:35].mean() < 80
    assert lit[:3, :3].mean() >= 115


def test_leaves_hide_a_part_and_never_all() -> None:
    image = np.full((60, 60, 3), 200, np.uint8)
    rng = np.random.default_rng(1)
    shares = [(behind_leaves(image, rng) != image).any(2).mean() for _ in range(40)]
    assert 0.01 < np.mean(shares) < 0.3
    assert max(shares) < 0.7


@pytest.mark.parametrize(
    ('augmentation', 'resize', 'smallest', 'largest'),
    [
        ('paper', 'stretch', 0.875, 1.0),
        ('paper', 'centre_crop', 0.875, 0.875),
        ('photo', 'stretch', 0.5, 1.0),
    ],
)
def test_training_sees_as_much_of_a_picture_as_the_node(
    augmentation: str, resize: str, smallest: float, largest: float, tmp_path: Path
) -> None:
    ramp = np.repeat(np.arange(200, dtype=np.uint8)[None], 200, 0)
    cv2.imwrite(str(tmp_path / 'ramp.png'), ramp)
    bank = ImageBank([Record(tmp_path / 'ramp.png', 0, '')])
    settings = TrainSettings(augmentation=augmentation, resize=resize)
    found = augmentation_for(settings, bank, len(bank))
    assert isinstance(found, PaperAugmentation)
    change = replace(found, components=None)
    rng, seen = np.random.default_rng(0), []
    for _ in range(300):
        out = np.empty((100, 100, 3), np.uint8)
        change(bank[0], out, rng)
        seen.append(np.ptp(out[50, :, 0].astype(int)) / 199)
    assert min(seen) == pytest.approx(smallest, abs=0.03)
    assert max(seen) == pytest.approx(largest, abs=0.03)
