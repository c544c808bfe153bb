import numpy as np

from alexnet_ros.synthetic.signs import SIGNS, sign_texture
from tools.draw_signs import drawn


def test_the_picture_in_the_package_is_what_the_tool_draws() -> None:
    for class_id in SIGNS:
        away = np.abs(drawn(class_id) - sign_texture(class_id))
        assert away.max() <= 2, class_id  # OpenCV's versions round differently
