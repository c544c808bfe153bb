"""
What strangers' bytes reach first: one function for each reader, and small good inputs.

A deliberate refusal (an error of this package) is a good answer of a target;
anything else that it raises is a finding.
"""

import io
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
ENCODINGS = (
    *('rgb8', 'bgr8', 'rgba8', 'bgra8', 'mono8', 'mono16'),
    *('bayer_rggb8', 'bayer_bggr8', 'bayer_gbrg8', 'bayer_grbg8'),
    *('uyvy', 'yuv422', 'yuyv', 'yuv422_yuy2', 'nv12', '16UC1'),
)
HEIGHT, WIDTH = 360, 640  # of the pictures that the recognizer gets


def compressed(data: bytes) -> None:
    """Decode bytes as a compressed image, its format named by the first byte."""
    from alexnet_ros.codec import rgb_from_compressed

    formats = ('jpeg', 'png', 'rgb8; jpeg compressed bgr8', 'bgr8; png compressed')
    message = SimpleNamespace(format=formats[data[0] % 4] if data else '', data=data[1:])
    small = (64, 64) if data and data[0] & 4 else None
    check(rgb_from_compressed(message, small, max_pixels=1 << 22))


def raw(data: bytes) -> None:
    """Decode bytes as a raw image whose fields come from the first 16 of them."""
    from alexnet_ros.codec import rgb_from_image

    head = np.frombuffer(data[:16].ljust(16, b'\0'), np.uint8).astype(int)
    step_add = int(head[3]) - 128
    width, height = int(head[0] | head[5] << 8 >> (head[6] & 8)), int(head[1])
    encoding = ENCODINGS[head[2] % len(ENCODINGS)]
    message = SimpleNamespace(
        width=width,
        height=height,
        encoding=encoding,
        is_bigendian=int(head[4] & 1),
        step=max(0, width * (1 + int(head[7]) % 4) + step_add),
        data=data[8:],
    )
    if head[8] & 1:  # a consistent one, so that the conversions are reached as well
        message.step = width * {'rgba8': 4, 'bgra8': 4, 'mono16': 2}.get(encoding, 3)
        message.data = bytes(message.step * height * 2)
    check(rgb_from_image(message, max_pixels=1 << 22))


def check(image: np.ndarray) -> None:
    """Fail on anything that is no RGB image."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise TypeError(f'gave {image.shape} {image.dtype}')


def model_yaml(data: bytes) -> None:
    """Load a model folder whose model.yaml and labels.csv are these bytes."""
    from alexnet_ros.model_package import ModelPackage

    text, _, labels = data.partition(b'\0')
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, 'model.yaml').write_bytes(text)
        Path(folder, 'labels.csv').write_bytes(labels or b'class_id,name,role\n0,a,sign\n')
        Path(folder, 'm.onnx').write_bytes(data)
        ModelPackage.load(folder)


def onnx(data: bytes) -> None:
    """Scan these bytes as an ONNX file."""
    from alexnet_ros.model_package.onnx_scan import scan_onnx

    scan_onnx(data, Path('fuzz.onnx'))


def labels_csv(data: bytes) -> None:
    """Read these bytes as a label file."""
    from alexnet_ros.labels import Labels

    Labels.from_bytes(data)


def actions(data: bytes) -> None:
    """Read these bytes as a table of what signs do."""
    from alexnet_ros.navigation.actions import read_table

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, 'actions.yaml')
        path.write_bytes(data)
        read_table(path)


def _read_bag(name: str, data: bytes) -> None:
    from alexnet_ros.bags.reader import BagReader

    with tempfile.TemporaryDirectory() as folder:
        for other, content in _bag('mcap' if name == 'metadata.yaml' else ''):
            Path(folder, other).write_bytes(content)
        Path(folder, name).write_bytes(data)
        with BagReader(folder) as bag:
            for _ in bag.images():
                pass


def mcap(data: bytes) -> None:
    """Read all images of these bytes as an MCAP file."""
    _read_bag('fuzz.mcap', data)


def packed(data: bytes) -> None:
    """Read all images of these bytes as an MCAP file that was packed whole."""
    _read_bag('fuzz.mcap.zstd', data)


def sqlite(data: bytes) -> None:
    """Read all images of these bytes as an sqlite3 file."""
    _read_bag('fuzz.db3', data)


def ros1(data: bytes) -> None:
    """Read all images of these bytes as a bag of ROS 1."""
    _read_bag('fuzz.bag', data)


def metadata(data: bytes) -> None:
    """Read a bag whose metadata.yaml is these bytes."""
    _read_bag('metadata.yaml', data)


@cache
def _recognizer() -> Any:
    from alexnet_ros.config import RecognizerSettings
    from alexnet_ros.recognizer import Recognizer

    return Recognizer.open(
        'signs', backend='onnxruntime', threads=1, settings=RecognizerSettings(regions='signs')
    )


def recognizer(data: bytes) -> None:
    """Look for signs in a wallpaper whose shapes, pitch and colours are these bytes."""
    from alexnet_ros.records import Frame

    _recognizer().recognize([Frame(wallpaper(data), 1)])


def wallpaper(data: bytes) -> np.ndarray:
    """Return a picture of the same shape many times over, as bytes describe it."""
    head = np.frombuffer(data[:24].ljust(24, b'\7'), np.uint8).astype(int)
    pitch = 6 + head[0] % 90
    tile = np.empty((pitch, pitch, 3), np.uint8)
    tile[:] = head[1:4]
    colours = [tuple(int(v) for v in head[at : at + 3]) for at in (4, 7)]
    radius = max(2, pitch * (20 + head[10] % 60) // 200)
    thick = -1 if head[11] & 1 else 1 + head[12] % max(radius // 2, 1)
    centre = pitch // 2
    corners = 3 + head[13] % 6
    angles = np.linspace(0, 2 * np.pi, corners, endpoint=False) + head[14] / 40
    shape = np.stack([centre + radius * np.sin(angles), centre - radius * np.cos(angles)], 1)
    if head[15] & 1:
        cv2.circle(tile, (centre, centre), radius, colours[0], thick)
    elif thick < 0:
        cv2.fillPoly(tile, [shape.astype(np.int32)], colours[0])
    else:
        cv2.polylines(tile, [shape.astype(np.int32)], isClosed=True, color=colours[0], thickness=1)
    if head[16] & 1:
        cv2.circle(tile, (centre, centre), radius // 2, colours[1], -1)
    times = (HEIGHT // pitch + 1, WIDTH // pitch + 1, 1)
    picture = np.tile(tile, times)[:HEIGHT, :WIDTH].copy()
    if head[17] & 1:
        noise = np.random.default_rng(int(head[18])).integers(-20, 20, picture.shape)
        picture = np.clip(picture.astype(np.int16) + noise, 0, 255).astype(np.uint8)
    return picture


@cache
def _bag(storage: str, compression: str = '') -> tuple[tuple[str, bytes], ...]:
    """Return the files of a small bag; none without a storage."""
    if not storage:
        return ()
    from alexnet_ros.bags.writer import BagWriter

    with tempfile.TemporaryDirectory() as folder:
        with BagWriter(Path(folder, 'b'), storage=storage, compression=compression) as bag:
            for index in range(3):
                bag.write_image('/image', 10**9 + index, np.full((4, 4, 3), index, np.uint8))
        return tuple((p.name, p.read_bytes()) for p in sorted(Path(folder, 'b').iterdir()))


def _files(storage: str, compression: str = '') -> list[bytes]:
    return [data for name, data in _bag(storage, compression) if name != 'metadata.yaml']


def _ros1_bag(compression: str, images: int, side_px: int) -> bytes:
    """Return a bag of ROS 1, each image in a chunk of its own."""
    from rosbags.rosbag1 import Writer
    from rosbags.typesys import Stores, get_typestore

    from alexnet_ros.bags.typestore import IMAGE, typestore
    from alexnet_ros.bags.writer import header

    image = typestore().types[IMAGE]
    with tempfile.TemporaryDirectory() as folder:
        writer = Writer(Path(folder, 'b.bag'))
        if compression:
            writer.set_compression(Writer.CompressionFormat[compression])
        with writer:
            store = get_typestore(Stores.ROS1_NOETIC)
            topic = writer.add_connection('/image', IMAGE, typestore=store)
            for index in range(images):
                pixels = np.zeros(3 * side_px * side_px, np.uint8)
                made = image(
                    header(10**9 + index, 'c'), side_px, side_px, 'rgb8', 0, 3 * side_px, pixels
                )
                data = typestore().cdr_to_ros1(typestore().serialize_cdr(made, IMAGE), IMAGE)
                writer.write(topic, 10**9 + index, bytes(data))
                writer.write_chunk(writer.chunks[-1])
        return Path(folder, 'b.bag').read_bytes()


def seeds(target: str) -> list[bytes]:
    """Return small valid inputs to start from."""
    image = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    if target == 'compressed':
        jpeg = cv2.imencode('.jpg', image)[1].tobytes()
        progressive = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
        png = cv2.imencode('.png', image)[1].tobytes()
        return [b'\0' + jpeg, b'\4' + jpeg, b'\2' + progressive, b'\1' + png, b'\3' + png]
    if target == 'raw':
        return [bytes([32, 24, kind, 128, 0, 0, 8, 2, 1]) + image.tobytes() for kind in range(16)]
    if target == 'recognizer':
        return [np.random.default_rng(index).bytes(24) for index in range(12)]
    if target == 'actions':
        return [path.read_bytes() for path in sorted((ROOT / 'config').glob('*_actions.yaml'))]
    if target == 'mcap':
        return _files('mcap') + _files('mcap', 'storage') + _files('mcap', 'message')
    if target == 'ros1':
        return [_ros1_bag(compression, 3, 4) for compression in ('', 'BZ2', 'LZ4')]
    if target == 'packed':
        return _files('mcap', 'file')
    if target == 'sqlite':
        return _files('sqlite3') + _files('sqlite3', 'message')
    if target == 'metadata':
        return [data for name, data in _bag('mcap') if name == 'metadata.yaml']
    from tests.models import tiny_package

    with tempfile.TemporaryDirectory() as folder:
        package = tiny_package(Path(folder) / 'tiny')
        text = Path(package.folder, 'model.yaml').read_bytes()
        labels = Path(package.folder, 'labels.csv').read_bytes()
        model = package.onnx_path(None).read_bytes()
    if target == 'labels_csv':
        return [labels]
    return [text + b'\0' + labels] if target == 'model_yaml' else [model[:4000], model[-2000:]]


def dear(target: str) -> list[bytes]:
    """Return inputs that are made to cost much: large pictures of nothing, many small parts."""
    black = np.zeros((2000, 2000, 3), np.uint8)
    if target == 'compressed':
        progressive = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]
        jpeg = cv2.imencode('.jpg', black)[1].tobytes()
        scans = cv2.imencode('.jpg', black, progressive)[1].tobytes()
        return [b'\0' + jpeg, b'\0' + scans, b'\1' + cv2.imencode('.png', black)[1].tobytes()]
    if target in {'mcap', 'packed', 'sqlite'}:
        from alexnet_ros.bags.writer import BagWriter

        found = []
        storage = 'sqlite3' if target == 'sqlite' else 'mcap'
        for compression in ('file',) if target == 'packed' else ('message', ''):
            with tempfile.TemporaryDirectory() as folder:
                place = Path(folder, 'b')
                with BagWriter(place, storage=storage, compression=compression) as bag:
                    for index in range(3 if compression else 1):
                        bag.write_image('/image', 10**9 + index, np.tile(black, (3, 1, 1)))
                    for index in range(0 if compression else 20_000):
                        bag.write_raw('/a', 'std_msgs/msg/Bool', b'\0\1\0\0\1', index)
                found += [p.read_bytes() for p in place.iterdir() if p.suffix != '.yaml']
        return found
    if target == 'ros1':
        return [_ros1_bag(compression, 3, 2000) for compression in ('BZ2', 'LZ4')]
    if target == 'raw':
        return [bytes([255, 255, kind, 128, 0, 0, 8, 2, 1]) + bytes(9) for kind in range(16)]
    nodes, names = b'\x0a\0' * 3_900, b'\x6a\0' * 41_100
    return {
        'labels_csv': [b'class_id,name,role\n' + _lines(b'%d,%d,a\n', 65_536)],
        'model_yaml': [_lines(b'k%d: %d\n', 9_000), b'v: "' + b'\\n' * 120_000],
        'actions': [b'input: detections\nclasses:\n' + _lines(b'  %d: {name: "%d"}\n', 12_000)],
        'metadata': [b'a: [' + b'1,' * 300_000 + b']', _lines(b'k%d: %d\n', 150_000)],
        'onnx': [b'\x72\0' * 99_000, b'\x3a' + _varint(90_000) + nodes + names],
    }.get(target, [])


def _lines(form: bytes, count: int) -> bytes:
    """Return so many lines of a form with two numbers."""
    return b''.join(form % (number, number) for number in range(count))


def _varint(value: int) -> bytes:
    """Write a number as protobuf does."""
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


TARGETS: dict[str, Callable[[bytes], None]] = {
    one.__name__: one
    for one in (
        *(compressed, raw, model_yaml, onnx, labels_csv, actions),
        *(metadata, mcap, packed, sqlite, ros1, recognizer),
    )
}


def guarded(target: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """Let deliberate refusals pass; everything else is a finding."""
    import contextlib

    from alexnet_ros.errors import AlexnetRosError

    def one(data: bytes) -> None:
        with contextlib.suppress(AlexnetRosError), contextlib.redirect_stdout(io.StringIO()):
            target(data)

    return one
