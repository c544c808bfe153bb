import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alexnet_ros import overlay
from alexnet_ros.records import BBoxXYWH, Classification, ClassScore, Detection, Recognition


def sign(
    bbox: BBoxXYWH,
    name: str = 'Yield',
    score: float = 0.91,
    track: str | None = None,
    unknown: bool = False,
) -> Detection:
    return Detection(bbox, Classification((ClassScore(3, name, score),), unknown), 0.9, track)


def recognition(size_wh: tuple[int, int], *found: Detection) -> Recognition:
    return Recognition('', 0, size_wh, found)


def frame(width: int, height: int) -> np.ndarray:
    return np.full((height, width, 3), 90, np.uint8)


@pytest.mark.parametrize(
    ('found', 'text'),
    [
        (sign((0, 0, 9, 9)), 'Yield 91%'),
        (sign((0, 0, 9, 9), track='7'), 'Yield 91% #7'),
        (sign((0, 0, 9, 9), unknown=True), 'unknown'),
        (Detection((0, 0, 9, 9), Classification((), True)), 'unknown'),
        (
            sign((0, 0, 9, 9), name='Geb\u00fchr f\u00fcr Fu\u00dfg\u00e4nger \u2013 5\u00b0'),
            'Gebuehr fuer Fussgaenger - 5 deg 91%',
        ),
        (sign((0, 0, 9, 9), name='\u505c'), '? 91%'),
    ],
)
def test_caption_tells_name_percent_and_track_in_ascii(found: Detection, text: str) -> None:
    assert overlay.caption(found) == text
    assert text.isascii()


@pytest.mark.parametrize('size_wh', [(640, 480), (1920, 1080)])
def test_box_is_drawn_in_the_colour_of_what_is_known(size_wh: tuple[int, int]) -> None:
    width, height = size_wh
    image = frame(width, height)
    box = (width * 0.5, height * 0.5, width * 0.1, width * 0.1)
    for found in (sign(box), sign(box, track='1'), sign(box, unknown=True)):
        drawn = overlay.draw(image, recognition(size_wh, found))
        assert drawn.shape == image.shape
        row, column = round(box[1] + box[3] / 2), round(box[0])
        assert tuple(drawn[row, column]) == overlay.colour_of(found)
    assert (image == 90).all()


def test_text_is_large_enough_to_read_at_every_size() -> None:
    for width, height, least in ((640, 360, 9), (1920, 1080, 16)):
        found = sign((width / 2, height / 2, 60, 60))
        drawn = overlay.draw(frame(width, height), recognition((width, height), found))
        white = (drawn > 200).all(axis=2).any(axis=1)  # rows with letters in them
        assert white.sum() >= least


def test_lines_stay_inside_and_do_not_cover_other_signs() -> None:
    found = [
        sign((600, 0, 39, 39), 'End of no passing by vehicles over 3.5 metric tons'),
        sign((580, 60, 40, 40)),
        sign((580, 101, 40, 40), track='2'),
    ]
    drawn = overlay.draw(frame(640, 480), recognition((640, 480), *found))
    assert (drawn[65:95, 585:615] == 90).all()
    assert (drawn[106:136, 585:615] == 90).all()


def test_whole_frame_result_is_a_banner() -> None:
    found = sign((0, 0, 640, 480), 'a kitchen with a rather long name that has to fit the width')
    drawn = overlay.draw(frame(640, 480), recognition((640, 480), found))
    assert (drawn[:10] != 90).any(axis=2).all()
    assert (drawn[200:] == 90).all()


def test_read_only_views_and_nothing_found_are_fine() -> None:
    image = frame(64, 48)[:, ::-1]
    image.flags.writeable = False
    drawn = overlay.draw(image, recognition((64, 48)))
    assert (drawn == image).all()
    assert drawn.flags.writeable


boxes = st.tuples(*[st.floats(allow_nan=True, allow_infinity=True, width=32)] * 4)


@given(
    st.lists(st.tuples(boxes, st.text(max_size=80)), max_size=5),
    st.integers(1, 80),
    st.integers(1, 60),
)
def test_any_detection_can_be_drawn(items, width: int, height: int) -> None:
    found = [sign(box, name) for box, name in items]
    drawn = overlay.draw(frame(width, height), recognition((width, height), *found))
    assert drawn.shape == (height, width, 3)
