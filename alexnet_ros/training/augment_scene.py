"""Random light, blur, noise and compression for whole pictures of a road."""

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]


def relit(image: Image, rng: np.random.Generator) -> Image:
    """
    Return a picture under other light and through another camera.

    :param image: (H, W, 3) uint8 RGB; may be changed.
    """
    ramp = np.arange(256, dtype=np.float32)[:, None] / 255
    gamma = float(np.exp(rng.normal(0, 0.3)))
    gain = np.exp(rng.normal(-0.05, 0.4) + rng.normal(0, 0.06, 3)).astype(np.float32)
    curve = ramp**gamma * gain + np.float32(rng.normal(0, 0.04))
    table = (np.clip(curve, 0, 1) * 255 + 0.5).astype(np.uint8).reshape(1, 256, 3)
    image = np.asarray(cv2.LUT(image, table), np.uint8)
    if rng.random() < 0.3:
        grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        share = float(rng.uniform(0.3, 1.5))
        image = np.asarray(cv2.addWeighted(image, share, grey, 1 - share, 0), np.uint8)
    if rng.random() < 0.25:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.4, 1.6))), np.uint8)
    if rng.random() < 0.15:
        length = int(rng.integers(2, 6))
        shape = (length, 1) if rng.random() < 0.7 else (1, length)
        image = np.asarray(cv2.blur(image, shape), np.uint8)
    if rng.random() < 0.3:
        grain: NDArray[np.int16] = np.zeros(image.shape, np.int16)
        cv2.setRNGSeed(int(rng.integers(1 << 31)))
        sigma = float(rng.uniform(2, 12))
        cv2.randn(grain, np.zeros(3), np.full(3, sigma))
        image = np.clip(image + grain, 0, 255).astype(np.uint8)
    if rng.random() < 0.2:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 90))]
        _, data = cv2.imencode('.jpg', image, quality)
        image = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return image
