import doctest

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from alexnet_ros import geometry

SIDE = st.integers(1, 200).map(float)
CORNER = st.integers(-100, 300).map(float)
BOX = st.tuples(CORNER, CORNER, SIDE, SIDE)


def test_examples_of_the_docstrings_hold() -> None:
    assert doctest.testmod(geometry).failed == 0


@given(BOX, BOX)
def test_pairwise_iou_equals_iou_and_is_symmetric(
    one: geometry.BBoxXYWH, two: geometry.BBoxXYWH
) -> None:
    matrix = geometry.pairwise_iou(np.array([one, two], np.float32), np.array([two], np.float32))
    assert matrix.shape == (2, 1)
    assert abs(matrix[0, 0] - geometry.iou(one, two)) < 1e-5
    assert geometry.iou(one, two) == geometry.iou(two, one)
    assert abs(matrix[1, 0] - 1.0) < 1e-6


@given(BOX)
def test_crop_is_the_clipped_box(box: geometry.BBoxXYWH) -> None:
    image = np.zeros((120, 160, 3), np.uint8)
    part, (x, y, width, height) = geometry.crop(image, box)
    assert part.shape[:2] == (height, width)
    assert (x, y, width, height) == geometry.clip_to_frame(box, (160, 120))
