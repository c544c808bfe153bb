"""
Make ``docs/images/street.jpg``: what sign mode says of a real road with drawn signs put into it.

    python -m tools.street_picture ../shared docs/images/street.jpg

The road is Udacity's motorway clip (MIT), which holds no European sign; the signs are
the package's own drawings, and two of Mapillary's (MIT) that are none of the classes.
They are neared for half a second, so that the picture shows what the tracker confirms.
"""

import argparse
import tarfile
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from alexnet_ros.config import RecognizerSettings
from alexnet_ros.overlay import draw
from alexnet_ros.recognizer import Recognizer
from alexnet_ros.records import Frame
from alexnet_ros.synthetic.signs import SIZE_PX, sign_texture
from alexnet_ros.training.negatives import video_frames

Texture = NDArray[np.float32]  # (H, W, 4), colours times coverage, as of sign_texture

FRAMES = 14
STEP_M = 0.5  # driven from frame to frame
POLE = (96, 98, 100)
SIGNS: tuple[tuple[int | str, float, float], ...] = (  # metres to the right, metres ahead at last
    (2, 4.6, 12.0),
    ('complementary--maximum-speed-limit-45--g1.png', 5.2, 16.5),
    (18, 5.3, 21.5),
    (12, 4.6, 24.0),
    (5, -5.3, 13.0),
    (13, -5.4, 18.0),
    ('information--end-of-living-street--g1.png', -5.6, 24.0),
)


def drawing(shared: Path, sign: int | str) -> Texture:
    """Return one of the package's own drawings, or of the folder of drawn signs."""
    if isinstance(sign, int):
        return sign_texture(sign)
    with tarfile.open(shared / 'sign_drawings/images.tar') as tar:
        name = next(one for one in tar.getnames() if Path(one).name == sign)
        data = np.frombuffer(tar.extractfile(name).read(), np.uint8)  # type: ignore[union-attr]
    image = cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_UNCHANGED), cv2.COLOR_BGRA2RGBA)
    texture = image.astype(np.float32)
    texture[..., :3] *= texture[..., 3:] / 255
    return cv2.resize(texture, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_AREA)


def put(image: NDArray[np.uint8], texture: Texture, across_m: float, along_m: float) -> None:
    """Draw a sign on its pole into a frame, in place, a little duller than the sky."""
    height, width = image.shape[:2]
    focal = 1.1 * width
    x, ground = width * 0.5 + focal * across_m / along_m, height * 0.56 + focal * 1.4 / along_m
    side, top = focal * 0.8 / along_m, height * 0.56 - focal * 1.5 / along_m
    pole = max(1, round(side * 0.08))
    cv2.line(image, (round(x), round(top)), (round(x), round(ground)), POLE, pole, cv2.LINE_AA)
    scale = side / SIZE_PX
    place = np.array([[scale, 0, x - side / 2], [0, scale, top - side / 2]], np.float32)
    small = cv2.GaussianBlur(texture, (0, 0), 0.45 / scale)
    laid = cv2.warpAffine(small, place, (width, height), flags=cv2.INTER_LINEAR)
    image[:] = np.clip(image * (1 - laid[..., 3:] / 255) + 0.85 * laid[..., :3], 0, 255)


def main() -> None:
    """Draw, recognise and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('shared', type=Path)
    parser.add_argument('output', type=Path)
    args = parser.parse_args()
    textures = [drawing(args.shared, sign) for sign, _, _ in SIGNS]
    clip = video_frames(args.shared / 'drive/solidWhiteRight.mp4', 0.0, 1.0)[60 : 60 + FRAMES]
    settings = RecognizerSettings(regions='signs')
    with Recognizer.open('signs', backend='cpu', settings=settings) as recognizer:
        for number, frame in enumerate(clip):
            image = frame.copy()
            behind = (len(clip) - 1 - number) * STEP_M
            for texture, (_, across, along) in zip(textures, SIGNS, strict=True):
                put(image, texture, across, along + behind)
            (result,) = recognizer.recognize([Frame(image, number * 40_000_000)])
    picture = cv2.cvtColor(draw(image, result), cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(args.output), picture, [cv2.IMWRITE_JPEG_QUALITY, 88])
    print(f'{args.output}: {args.output.stat().st_size / 1e3:.0f} kB')


if __name__ == '__main__':
    main()
