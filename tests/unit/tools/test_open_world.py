"""Look-alikes made of photographed signs, and the boxes round them."""

import cv2
import numpy as np
import pytest

from tools import lookalikes, open_world, sign_text
from tools.emblems import Emblems
from tools.lamps import lit_lamp
from tools.lookalikes import LIMITS, Limit, Lookalikes

ROI = (12, 12, 78, 78)


def signs(class_id: int, count: int = 4) -> list[Limit]:
    """Draw round signs as a photograph of 90 pixels shows them."""
    rng = np.random.default_rng(class_id)
    text = next((word for word, number in LIMITS.items() if number == class_id), '')
    made = []
    for _ in range(count):
        image = np.full((90, 90, 3), (90, 110, 90), np.uint8)
        rim = (120, 120, 120) if class_id in (6, 32, 41, 42) else (190, 30, 35)
        cv2.circle(image, (45, 45), 33, rim, -1, cv2.LINE_AA)
        cv2.circle(image, (45, 45), 26, (235, 235, 235), -1, cv2.LINE_AA)
        if text:
            mask = sign_text.font_mask(text, rng, ('DejaVuSans-Bold',))
            middle = np.array([45.0, 45.0])
            sign_text.printed(image, mask, middle, (36, 26), (20, 20, 20))
        made.append(Limit(image, ROI))
    return made


@pytest.fixture(scope='module')
def maker() -> Lookalikes:
    classes = (*LIMITS.values(), 6, 9, 10, 15, 16, 32, 41, 42)
    return Lookalikes({c: signs(c) for c in classes}, np.random.default_rng(0))


def test_print_is_taken_off_and_the_rim_stays() -> None:
    blank, ink = signs(2)[0].erased()
    assert blank[38:58, 34:62].min() > 180
    assert ink.mean() < 80
    red = blank[..., 0].astype(int) - blank[..., 1]
    assert (red > 80).mean() > 0.1


def test_digits_are_lifted_from_photographs(maker: Lookalikes) -> None:
    assert set('1235678') <= set(maker.digits)
    assert '9' in maker.digits  # a turned six


@pytest.mark.parametrize('text', ['40', '110', '5', '3,5t', '20t', '4.5m', '60'])
def test_a_number_stands_on_the_face(maker: Lookalikes, text: str) -> None:
    crop = maker.number(text)
    assert crop.shape == (lookalikes.SIDE, lookalikes.SIDE, 3)
    face = crop[30:66, 24:72].min(2)
    assert 0.03 < float((face < 110).mean()) < 0.7


def test_the_end_of_a_limit_has_no_red(maker: Lookalikes) -> None:
    for _ in range(12):
        crop = maker.end_of('60').astype(int)
        redness = crop[..., 0] - crop[..., 1:].max(2)
        assert (redness > 60).mean() < 0.02


def test_a_barred_limit_keeps_its_rim_and_gets_a_red_bar(maker: Lookalikes) -> None:
    crop = maker.slashed((2,)).astype(int)
    redness = crop[..., 0] - crop[..., 1:].max(2)
    assert (redness[40:56, 40:56] > 60).mean() > 0.15


def test_boxes_get_the_margin_and_edges_repeat() -> None:
    frame = np.zeros((50, 60, 3), np.uint8)
    frame[:, -1] = 200
    crop = open_world.cut(frame, (40.0, 10.0, 20.0, 20.0))
    assert crop.shape == (24, 24, 3)
    assert (crop[:, -2:] == 200).all()
    assert open_world.overlap((0, 0, 10, 10), (5, 0, 20, 10)) == 0.5


def test_an_arrow_is_turned_to_where_no_class_points() -> None:
    image = np.full((90, 90, 3), (30, 70, 170), np.uint8)
    cv2.arrowedLine(image, (45, 70), (45, 20), (240, 240, 240), 7, tipLength=0.4)
    arrow = [Limit(image, ROI)]
    limits = {c: signs(c) for c in LIMITS.values()} | {35: arrow, 38: arrow, 39: arrow}
    emblems = Emblems(Lookalikes(limits, np.random.default_rng(1)), (), ())
    upright = cv2.resize(image, (lookalikes.SIDE, lookalikes.SIDE)).astype(int)
    for _ in range(12):
        assert np.abs(emblems.turned() - upright).mean() > 10


def test_a_lamp_is_brighter_than_what_is_round_it() -> None:
    rng = np.random.default_rng(2)
    lamps = [lit_lamp(np.full((40, 50, 3), 90, np.uint8), rng).mean(2) for _ in range(30)]
    assert {lamp.shape for lamp in lamps} == {(lookalikes.SIDE, lookalikes.SIDE)}
    brighter = [lamp[33:63, 33:63].max() > lamp[:4].mean() + 20 for lamp in lamps]
    assert sum(brighter) >= 25
