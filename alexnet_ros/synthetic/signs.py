"""The signs of the rendered drive, as ``tools/draw_signs.py`` draws them."""

from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from alexnet_ros.records import BBoxXYWH

PICTURE = Path(__file__).with_name('signs.png')
SIZE_PX = 256
SIGNS = {  # in the order of the picture; ids and names of GTSRB, which the bundled model knows
    1: 'Speed limit (30km/h)',
    2: 'Speed limit (50km/h)',
    3: 'Speed limit (60km/h)',
    4: 'Speed limit (70km/h)',
    5: 'Speed limit (80km/h)',
    6: 'End of speed limit (80km/h)',
    12: 'Priority road',
    13: 'Yield',
    14: 'Stop',
    15: 'No vehicles',
    17: 'No entry',
    18: 'General caution',
    32: 'End of all speed and passing limits',
    33: 'Turn right ahead',
    35: 'Ahead only',
    38: 'Keep right',
    39: 'Keep left',
}


@cache
def _textures() -> NDArray[np.float32]:
    row = np.asarray(cv2.imread(str(PICTURE), cv2.IMREAD_UNCHANGED), np.float32)
    return row[..., [2, 1, 0, 3]]


def sign_texture(class_id: int) -> NDArray[np.float32]:
    """
    Return a sign with its coverage, ready to be blended.

    :returns: shape (SIZE_PX, SIZE_PX, 4), float32, 0 to 255; R, G, B already multiplied by
        the coverage, then the coverage. Shared: do not change it.
    """
    left = SIZE_PX * list(SIGNS).index(class_id)
    return _textures()[:, left : left + SIZE_PX]


@cache
def sign_extent(class_id: int) -> BBoxXYWH:
    """Return a sign's tight box within its square drawing, in its units."""
    cover = (sign_texture(class_id)[..., 3] > 127).astype(np.uint8)
    x, y, width, height = cv2.boundingRect(cover)
    return x / SIZE_PX, y / SIZE_PX, width / SIZE_PX, height / SIZE_PX
