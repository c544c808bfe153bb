"""
Random changes of a picture: what a camera on a moving robot may do to it.

Photometry, blur and noise act on a crop at its own size, which is small;
one warp then takes it to the network's input. About 0.4 ms an image.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
RAMP = np.arange(256, dtype=np.float32) / 255
BORDERS = (cv2.BORDER_REPLICATE, cv2.BORDER_REFLECT_101, cv2.BORDER_CONSTANT)


@dataclass(frozen=True)
class SignAugmentation:
    """
    How strongly crops are changed; ``strength`` 0 only resizes.

    :param rotation_deg: largest turn to either side.
    :param scale: largest factor of size, up or down (1.2 = 0.83 to 1.2).
    :param shift: largest shift, share of the side.
    :param shear: largest shear, share of the side.
    :param perspective: largest shift of one corner, share of the side.
    :param mirror: also mirror left to right (never for road signs).
    """

    rotation_deg: float = 13.0
    scale: float = 1.22
    stretch: float = 1.12
    shift: float = 0.09
    shear: float = 0.10
    perspective: float = 0.09
    gamma: float = 2.2
    photometry: float = 0.85
    blur: float = 0.3
    low_resolution: float = 0.25
    noise: float = 0.35
    shadow: float = 0.2
    occlusion: float = 0.12
    jpeg: float = 0.15
    backlight: float = 0.08
    equalised: float = 0.12
    leaves: float = 0.06
    mirror: bool = False

    def __call__(self, image: Image, out: Image, rng: np.random.Generator) -> None:
        """
        Write one changed copy.

        :param image: (h, w, 3) uint8, not modified.
        :param out: (H, W, 3) uint8, filled.
        """
        image = self._camera(image, rng)
        border = BORDERS[rng.choice(3, p=(0.5, 0.3, 0.2))]
        colour = tuple(rng.integers(0, 256, 3).tolist())
        size = (out.shape[1], out.shape[0])
        matrix = self._geometry((image.shape[1], image.shape[0]), size, rng)
        if rng.random() < 0.4 and self.perspective:
            corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
            corners *= np.array(size, np.float32)
            away = rng.uniform(-1, 1, (4, 2)).astype(np.float32) * (self.perspective * size[0])
            tilt = cv2.getPerspectiveTransform(corners, corners + away)
            full = tilt @ np.vstack([matrix, (0.0, 0.0, 1.0)])
            cv2.warpPerspective(image, full, size, out, cv2.INTER_LINEAR, border, colour)
        else:
            cv2.warpAffine(image, matrix, size, out, cv2.INTER_LINEAR, border, colour)
        if self.mirror and rng.random() < 0.5:
            out[:] = out[:, ::-1].copy()

    def _geometry(
        self, from_wh: tuple[int, int], to_wh: tuple[int, int], rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """Return the 2x3 matrix from crop pixels to input pixels (pixel centres aligned)."""
        before, after = np.array(from_wh), np.array(to_wh)
        angle = math.radians(float(rng.normal(0, 0.5)) * self.rotation_deg)
        scale = self.scale ** float(rng.uniform(-1, 1))
        stretch = self.stretch ** float(rng.uniform(-1, 1))
        shear_x, shear_y = (rng.normal(0, 0.4, 2) * self.shear).tolist()
        shift = rng.uniform(-1, 1, 2) * self.shift
        cos, sin = math.cos(angle), math.sin(angle)
        turn = np.array([[cos, -sin], [sin, cos]]) @ np.array([[1, shear_x], [shear_y, 1]])
        turn = turn @ np.diag(np.array([scale * stretch, scale / stretch]) * after / before)
        centre_out = (after - 1) / 2 + shift * after
        return np.column_stack([turn, centre_out - turn @ ((before - 1) / 2)])

    def _camera(self, image: Image, rng: np.random.Generator) -> Image:
        """Return the crop as another camera, light, weather or speed would give it."""
        chance = rng.random(11)
        if chance[8] < self.backlight:
            image = backlit(image, rng)
        if chance[9] < self.equalised:
            image = locally_equalised(image, rng)
        if chance[10] < self.leaves:
            image = behind_leaves(image, rng)
        if chance[0] < self.shadow:
            image = shaded(image, rng)
        if chance[1] < self.occlusion:
            image = occluded(image, rng)
        if chance[2] < self.low_resolution:
            image = shrunk(image, float(rng.uniform(0.35, 0.95)))
        if chance[3] < self.blur:
            image = blurred(image, rng)
        if chance[4] < self.photometry:
            image = relit(image, self.gamma, rng)
        if chance[5] < self.noise:
            sigma = float(rng.uniform(1, 9))
            grain = rng.normal(0, sigma, image.shape).astype(np.float32)
            image = np.clip(image + grain, 0, 255).astype(np.uint8)
        if chance[6] < self.jpeg:
            image = compressed(image, rng)
        return image


def compressed(image: Image, rng: np.random.Generator) -> Image:
    """Return what JPEG of a random quality leaves of a picture."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 90))]
    data = cv2.imencode('.jpg', image, quality)[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def relit(image: Image, gamma: float, rng: np.random.Generator) -> Image:
    """Change gamma, gain, offset, colour cast, saturation and hue."""
    level = float(image.mean())
    power = gamma ** float(rng.uniform(-1, 1) * rng.random())
    gain = float(2.2 ** rng.uniform(-1, 0.4)) if rng.random() < 0.5 else 1.0
    if rng.random() < 0.06:
        gain *= 0.3  # night, underexposed
    if level < 60:  # already dark: what is left must stay readable
        power, gain = min(power, 1.15), max(gain, min(1.0, 25 / max(level, 1.0)))
    offset = float(rng.uniform(-0.1, 0.2)) if rng.random() < 0.3 else 0.0
    cast = rng.normal(1, 0.06, 3)
    curve = np.clip((RAMP**power)[:, None] * (gain * cast) + offset, 0, 1)  # (256, 3)
    table = (curve * 255 + 0.5).astype(np.uint8).reshape(1, 256, 3)
    image = cv2.LUT(image, table).astype(np.uint8, copy=False)
    if rng.random() < 0.5:
        saturation = float(rng.uniform(0.3, 1.5))
        angle = float(rng.normal(0, 0.14))  # hue, radians: about eight degrees
        image = cv2.transform(image, colour_matrix(saturation, angle)).astype(np.uint8, copy=False)
    return image


def colour_matrix(saturation: float, angle: float) -> NDArray[np.float32]:
    """
    Return the 3x3 matrix that turns hue by ``angle`` radians and scales saturation.

    The turn is about the grey axis, so greys stay as they are.
    """
    grey, across = np.full((3, 3), 1 / 3), np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]])
    cos, sin = math.cos(angle), math.sin(angle) / math.sqrt(3)
    spin = cos * np.eye(3) + (1 - cos) * grey + sin * across
    return (saturation * spin + (1 - saturation) * grey).astype(np.float32)


def shrunk(image: Image, factor: float) -> Image:
    """Return the crop at fewer pixels, at least 14 a side."""
    height, width = image.shape[:2]
    factor = max(factor, 14 / min(height, width))
    if factor >= 1:
        return image
    size = (max(14, round(width * factor)), max(14, round(height * factor)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def blurred(image: Image, rng: np.random.Generator) -> Image:
    """Blur by defocus or by motion, in proportion to the crop's size."""
    side = min(image.shape[:2])
    if rng.random() < 0.5:
        sigma = float(rng.uniform(0.3, 0.028 * side + 0.4))
        return cv2.GaussianBlur(image, (0, 0), sigma).astype(np.uint8, copy=False)
    length = 2 * (int(rng.integers(3, max(4, round(0.14 * side)) + 1)) // 2) + 1
    kernel = np.zeros((length, length), np.float32)
    angle = float(rng.uniform(0, math.pi))
    middle = length // 2
    reach = np.array([math.cos(angle), math.sin(angle)]) * middle
    ends = [tuple(round(middle + sign * v) for v in reach.tolist()) for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0)
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()), np.uint8)


def shaded(image: Image, rng: np.random.Generator) -> Image:
    """Darken or brighten one side of a random line, or along a ramp."""
    height, width = image.shape[:2]
    angle = float(rng.uniform(0, 2 * math.pi))
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    along = (x / width - 0.5) * math.cos(angle) + (y / height - 0.5) * math.sin(angle)
    along -= float(rng.uniform(-0.35, 0.35))
    soft = float(rng.choice([0.02, 0.1, 0.5]))
    weight = np.clip(along / soft + 0.5, 0, 1)[..., None]
    factor = float(rng.uniform(0.35, 0.85)) if rng.random() < 0.7 else float(rng.uniform(1.2, 2))
    lit = image * (1 + (factor - 1) * weight)
    return np.asarray(np.clip(lit, 0, 255), np.uint8)


def backlit(image: Image, rng: np.random.Generator) -> Image:
    """Darken the disc of the sign to a share of what is around it, as before a bright sky."""
    height, width = image.shape[:2]
    disc = np.zeros((height, width), np.float32)
    middle = (width // 2, height // 2)
    axes = tuple(max(2, round(side * float(rng.uniform(0.40, 0.46)))) for side in (width, height))
    cv2.ellipse(disc, middle, axes, 0.0, 0.0, 360.0, 1.0, -1)
    weight = cv2.GaussianBlur(disc, (0, 0), 0.02 * width + 0.3)[..., None]
    dark = image * float(rng.uniform(0.2, 0.6))
    haze = rng.uniform(0, 90) + rng.normal(0, 8, 3)
    sky = np.clip(image * float(rng.uniform(1.0, 2.0)) + haze, 0, 255)
    return np.asarray(sky * (1 - weight) + dark * weight, np.uint8)


def locally_equalised(image: Image, rng: np.random.Generator) -> Image:
    """Raise the local contrast (CLAHE on the brightness), as some cameras do."""
    cells = int(rng.integers(2, 7))
    equaliser = cv2.createCLAHE(float(rng.uniform(1.0, 4.0)), (cells, cells))
    luma, red, blue = cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb))
    merged = cv2.merge([equaliser.apply(luma), red, blue])
    return np.asarray(cv2.cvtColor(merged, cv2.COLOR_YCrCb2RGB), np.uint8)


def behind_leaves(image: Image, rng: np.random.Generator) -> Image:
    """Put twigs and leaves before the sign, from one side or across."""
    image = image.copy()
    height, width = image.shape[:2]
    side = min(height, width)
    level = float(np.percentile(image, 30)) * float(rng.uniform(0.4, 1.3))
    tone = np.array([(0.8, 1.0, 0.5), (0.7, 0.65, 0.6), (1.0, 0.8, 0.4)][int(rng.integers(3))])
    for _ in range(int(rng.integers(1, 4))):
        start, end = rng.uniform(-0.2, 1.2, (2, 2)) * (width, height)
        points = [tuple(round(v) for v in point.tolist()) for point in (start, end)]
        bark = tuple(int(v) for v in np.clip(level * 0.6 * tone, 0, 255).tolist())
        cv2.line(image, points[0], points[1], bark, max(1, side // int(rng.integers(25, 60))))
        for place in np.linspace(start, end, int(rng.integers(0, 9))):
            centre = tuple(round(v) for v in (place + rng.normal(0, 0.05 * side, 2)).tolist())
            axes = tuple(max(1, round(side * float(v))) for v in rng.uniform(0.02, 0.09, 2))
            leaf = np.clip(level * tone * rng.uniform(0.6, 1.5), 0, 255)
            colour = tuple(int(v) for v in leaf.tolist())
            cv2.ellipse(image, centre, axes, float(rng.uniform(0, 180)), 0.0, 360.0, colour, -1)
    return image


def occluded(image: Image, rng: np.random.Generator) -> Image:
    """Cover a small part: a patch of colour or noise, a twig, a bright spot."""
    image = image.copy()
    height, width = image.shape[:2]
    kind = rng.integers(0, 3)
    colour = tuple(rng.integers(0, 256, 3).tolist())
    if kind == 0:
        w, h = (rng.uniform(0.1, 0.35, 2) * (width, height)).astype(int) + 1
        x, y = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))
        noisy = rng.random() < 0.3
        image[y : y + h, x : x + w] = rng.integers(0, 256, (h, w, 3)) if noisy else colour
    elif kind == 1:
        points = (rng.random((2, 2)) * (width, height)).astype(int).tolist()
        thickness = max(1, int(rng.integers(1, 5) * width // 60))
        cv2.line(image, points[0], points[1], colour, thickness)
    else:
        centre = (rng.random(2) * (width, height)).astype(int).tolist()
        disc = np.zeros((height, width, 1), np.float32)
        cv2.circle(disc, centre, max(2, int(rng.uniform(0.08, 0.25) * width)), 1.0, -1)
        spot = cv2.GaussianBlur(disc, (0, 0), 0.05 * width + 0.5).reshape(height, width, 1)
        image = np.clip(image + 160 * spot, 0, 255).astype(np.uint8)
    return image


def relit_scene(image: Image, rng: np.random.Generator) -> Image:
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
        image = compressed(image, rng)
    return image
