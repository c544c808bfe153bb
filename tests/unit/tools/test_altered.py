"""Signs altered and drawn for the bundled model."""

import cv2
import numpy as np

from tools import drawn
from tools.altered import Altered
from tools.lookalikes import Limit


def maker(seed: int = 0) -> Altered:
    rng = np.random.default_rng(seed)
    signs = {}
    for class_id in range(43):
        canvas = np.full((drawn.CANVAS, drawn.CANVAS, 3), 90, np.uint8)
        drawn.known_sign(canvas, rng)
        crop = np.asarray(cv2.resize(canvas, (52, 50)), np.uint8)
        signs[class_id] = [Limit(crop, (5, 5, 47, 45))]
    frame = rng.integers(0, 256, (60, 60, 3), dtype=np.uint8)
    return Altered(signs, lambda: frame, rng)


def test_altered_signs_are_pictures_and_repeat() -> None:
    one, two = maker(4), maker(4)
    for _ in range(60):
        image = one.altered()
        assert image.dtype == np.uint8
        assert image.shape[2] == 3
        np.testing.assert_array_equal(image, two.altered())


def test_drawn_known_signs_carry_their_class() -> None:
    source = maker()
    classes = {source.drawn(known=True)[1] for _ in range(120)}
    assert classes <= {*drawn.SPEEDS.values(), 12, 13, 14, 15, 17, 18}
    assert len(classes) > 8
    assert {source.drawn(known=False)[1] for _ in range(20)} == {-1}


def test_unknown_numbers_are_no_class() -> None:
    assert not set(drawn.OTHER_NUMBERS) & set(drawn.SPEEDS)
