"""
From a deserialised image message to the network's input, beside the usual ways.

The pictures are frames of the project's own rendered drive. Each case takes a
message with ``array.array`` data, as rclpy delivers it, and ends with what its
network takes: uint8 NHWC here, a normalised float NCHW tensor elsewhere. All
run on one thread.
"""

import argparse
import importlib.util
import io
import json
import sys
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from alexnet_ros.bench.timing import alternate, ratio
from alexnet_ros.codec import rgb_from_compressed, rgb_from_image
from alexnet_ros.model_package import InputSpec
from alexnet_ros.preprocess import batch_from_regions
from alexnet_ros.records import Region
from alexnet_ros.synthetic.drive import drive_frames

Image = NDArray[np.uint8]
Case = Callable[[], object]
SIZES_WH = ((640, 480), (1280, 720), (1920, 1080))
BASELINES = {'bgr8': 'bgr8, cv_bridge and float NumPy', 'jpeg': 'jpeg, OpenCV and float NumPy'}
MEAN = np.array([0.485, 0.456, 0.406], np.float32)  # torchvision's, R, G, B
STD = np.array([0.229, 0.224, 0.225], np.float32)


@dataclass
class Message:
    """The fields of an image message, raw or compressed."""

    data: Any
    width: int = 0
    height: int = 0
    encoding: str = ''
    step: int = 0
    is_bigendian: int = 0
    format: str = ''


def raw_message(image: Image, encoding: str) -> Message:
    """Pack pixels as a camera driver does."""
    height, width = image.shape[:2]
    return Message(array('B', image.tobytes()), width, height, encoding, width * 3)


def tensor_from_rgb(image_rgb: Image, size_px: int) -> NDArray[np.float32]:
    """Normalise a frame as most nodes do: linear resize, float, channels first."""
    small = cv2.resize(image_rgb, (size_px, size_px), interpolation=cv2.INTER_LINEAR)
    scaled = (small.astype(np.float32) / 255 - MEAN) / STD
    return np.ascontiguousarray(scaled.transpose(2, 0, 1)[None])


def usual_raw(message: Message, size_px: int) -> object:
    """Copy the message as cv_bridge's imgmsg_to_cv2 does, then normalise."""
    rows = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)
    image = rows[:, : message.width * 3].reshape(message.height, message.width, 3).copy()
    return tensor_from_rgb(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), size_px)


def usual_jpeg(message: Message, size_px: int) -> object:
    """Decode at full size, then normalise."""
    image = cv2.imdecode(np.frombuffer(message.data, np.uint8), cv2.IMREAD_COLOR)
    return tensor_from_rgb(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), size_px)


def pil_tensor(image: Any, size_px: int) -> object:
    """Resize with Pillow as torchvision's transforms do, then normalise."""
    from PIL import Image as Pil

    small = np.asarray(image.resize((size_px, size_px), Pil.Resampling.BILINEAR))
    scaled = (small.astype(np.float32) / 255 - MEAN) / STD
    return np.ascontiguousarray(scaled.transpose(2, 0, 1)[None])


def pil_raw(message: Message, size_px: int) -> object:
    """Wrap the message's bytes in Pillow."""
    from PIL import Image as Pil

    wide_high = (message.width, message.height)
    image = Pil.frombytes('RGB', wide_high, bytes(message.data), 'raw', 'BGR', message.step)
    return pil_tensor(image, size_px)


def pil_jpeg(message: Message, size_px: int) -> object:
    """Decode with Pillow at full size."""
    from PIL import Image as Pil

    return pil_tensor(Pil.open(io.BytesIO(bytes(message.data))).convert('RGB'), size_px)


def cases(image_rgb: Image, size_px: int) -> dict[str, Case]:
    """Return every case for one picture; all are warm and reuse their buffers."""
    spec = InputSpec(size_px, size_px)
    batch = np.empty((1, size_px, size_px, 3), np.uint8)

    def ours(image: Image) -> object:
        height, width = image.shape[:2]
        whole = Region((0.0, 0.0, float(width), float(height)))
        return batch_from_regions([(image, whole)], spec, batch)

    bgr = np.ascontiguousarray(image_rgb[..., ::-1])
    rgb8, bgr8 = raw_message(image_rgb, 'rgb8'), raw_message(bgr, 'bgr8')
    encoded = cv2.imencode('.jpg', bgr, (cv2.IMWRITE_JPEG_QUALITY, 80))[1]
    jpeg = Message(array('B', encoded.tobytes()), format='bgr8; jpeg compressed bgr8')
    least = (size_px, size_px)
    made: dict[str, Case] = {
        'rgb8, this package': lambda: ours(rgb_from_image(rgb8)),
        'bgr8, this package': lambda: ours(rgb_from_image(bgr8)),
        BASELINES['bgr8']: lambda: usual_raw(bgr8, size_px),
        'bgr8, Pillow': lambda: pil_raw(bgr8, size_px),
        'jpeg, this package, whole frame': lambda: ours(rgb_from_compressed(jpeg, least)),
        'jpeg, this package, full size': lambda: ours(rgb_from_compressed(jpeg)),
        BASELINES['jpeg']: lambda: usual_jpeg(jpeg, size_px),
        'jpeg, Pillow': lambda: pil_jpeg(jpeg, size_px),
    }
    if importlib.util.find_spec('PIL') is None:
        print('Pillow is not installed: its rows are left out', file=sys.stderr)
        made = {name: case for name, case in made.items() if 'Pillow' not in name}
    return made


def measure(size_px: int, rounds: int) -> list[dict[str, object]]:
    """Time all cases at all sizes."""
    cv2.setNumThreads(1)
    rows: list[dict[str, object]] = []
    for size_wh in SIZES_WH:
        frame = next(iter(drive_frames(size_wh=size_wh)))
        made = cases(frame.image_rgb, size_px)
        with tqdm(total=rounds * len(made), desc=str(size_wh), file=sys.stderr) as bar:
            timings = alternate(made, rounds=rounds, tick=lambda bar=bar: bar.update())
        for name, timing in timings.items():
            baseline = BASELINES['jpeg' if name.startswith('jpeg') else 'bgr8']
            faster = ratio(timings[baseline], timing)
            rows.append(
                {
                    'group': 'ingest',
                    'name': f'{size_wh[0]}x{size_wh[1]} {name}',
                    'baseline': 'the usual way',
                    **timing.row(),
                    'p50_ms': round(timing.percentile_ms(50), 4),
                    'faster': round(faster[0], 2),
                    'faster_low': round(faster[1], 2),
                    'faster_high': round(faster[2], 2),
                }
            )
    return rows


def main() -> None:
    """Print one JSON object a row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--size', type=int, default=224, help="side of the network's input")
    parser.add_argument('--rounds', type=int, default=7)
    args = parser.parse_args()
    for row in measure(args.size, args.rounds):
        print(json.dumps(row))


if __name__ == '__main__':
    main()
