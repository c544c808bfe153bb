"""Pictures, videos and cameras as streams of RGB frames; annotated video written back."""

import contextlib
import glob
import math
import os
import re
import time
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from alexnet_ros import overlay
from alexnet_ros.closing import Closing
from alexnet_ros.codec import MAX_PIXELS, rgb_from_file
from alexnet_ros.errors import BagError, ImageFormatError
from alexnet_ros.records import Recognition

Image = NDArray[np.uint8]

VIDEOS = ('.mp4', '.avi', '.mkv', '.mov', '.webm', '.m4v', '.mpg', '.mpeg', '.ts')
"""Endings that are opened as video at once; anything else is tried as a picture first."""

PICTURES = ('.jpg', '.jpeg', '.png', '.bmp', '.ppm', '.pgm')
"""Endings that are taken out of a folder."""

RATE_HZ = 25.0
"""Frame rate of a video that does not tell its own."""

FORMATS = (  # of OpenCV, where PyAV is missing; its wheels hold no H.264 encoder, apt's does
    ('.mp4', 'avc1'),
    ('.webm', 'VP80'),
    ('.mp4', 'mp4v'),  # plays in no browser
)
_CAMERA = re.compile(r'\d{1,3}|/dev/.+|[a-z][a-z0-9+.-]*://.+', re.IGNORECASE)


def is_camera(name: str) -> bool:
    """
    Tell whether a name is a live source: a number, a device, an address.

    >>> [is_camera(name) for name in ('0', '/dev/video0', 'rtsp://camera/live', 'a.mp4')]
    [True, True, True, False]
    """
    return _CAMERA.fullmatch(name) is not None and not Path(name).is_file()


def natural(path: Path) -> list[tuple[int, str]]:
    """Order ``frame_10`` behind ``frame_9``."""
    parts = re.split(r'(\d+)', path.name)
    return [(int(part), '') if part.isdecimal() else (-1, part) for part in parts]


def sources_in(names: Iterable[str]) -> list[str]:
    """
    Return the pictures, videos and cameras that are meant.

    :param names: files, cameras, folders (their pictures and videos, by
        number) and glob patterns. What leads to nothing stays as it is, and
        is told when it is opened.
    """
    found: list[str] = []
    for name in names:
        path = Path(name)
        if is_camera(name) or path.is_file():
            found.append(name)
            continue
        if path.is_dir():
            places = [p for p in path.iterdir() if p.suffix.lower() in (*PICTURES, *VIDEOS)]
        elif glob.has_magic(name):
            places = [Path(p) for p in glob.glob(name)]  # noqa: PTH207 - may be absolute
        else:
            places = []
        found += [str(place) for place in sorted(places, key=natural)] or [name]
    return found


class Media(Closing):
    """
    The frames of one picture, video or camera, in their order.

    :param image_rgb: the picture, or None for a video.
    :param video: the opened video, or None for a picture.
    :param live: the frames come from a camera, as they are taken.
    """

    def __init__(
        self,
        name: str,
        image_rgb: Image | None = None,
        video: cv2.VideoCapture | None = None,
        *,
        live: bool = False,
    ) -> None:
        self.name, self.path, self.live = name, Path(name), live
        self._image_rgb = image_rgb
        self._video = video
        self.frames = 1
        self.rate_hz = RATE_HZ
        if video is not None:
            self.frames = 0 if live else max(0, int(video.get(cv2.CAP_PROP_FRAME_COUNT)))
            rate = video.get(cv2.CAP_PROP_FPS)
            self.rate_hz = rate if 0.1 < rate < 1000 else RATE_HZ

    def __iter__(self) -> Iterator[tuple[int, Image]]:
        """
        Yield stamp in nanoseconds and frame (H, W, 3) uint8.

        The stamp counts from the start of a video; of a camera it is the time.

        :raises ImageFormatError: not a single frame.
        """
        if self._image_rgb is not None:
            yield 0, self._image_rgb
            return
        number = 0
        while self._video is not None:
            good, image_bgr = self._video.read()
            if not good:
                break
            stamp_ns = time.time_ns() if self.live else round(number / self.rate_hz * 1e9)
            yield stamp_ns, np.asarray(cv2.cvtColor(image_bgr, cv2.COLOR_BGR2RGB), np.uint8)
            number += 1
        if not number:
            what = 'the camera sends no frame' if self.live else 'no frame can be decoded'
            raise ImageFormatError('no_frames', what)

    def close(self) -> None:
        """Close the video."""
        if self._video is not None:
            self._video.release()


def open_media(name: str | Path) -> Media:
    """
    Open a picture, a video or a camera.

    :param name: a file, a camera's number, ``/dev/video0`` or an address such
        as ``rtsp://user@host/stream``.
    :raises ImageFormatError: missing, damaged, or nothing of these.
    """
    name = str(name)
    if is_camera(name):
        camera = cv2.VideoCapture(int(name)) if name.isdecimal() else cv2.VideoCapture(name)
        if camera.isOpened():
            return Media(name, video=camera, live=True)
        camera.release()
        raise ImageFormatError(
            'unreadable',
            'cannot be opened as a camera: is it connected, free and readable (group video)?',
        )
    path = Path(name)
    picture: ImageFormatError | None = None
    if path.suffix.lower() not in VIDEOS or not path.is_file():
        try:
            return Media(name, image_rgb=rgb_from_file(path))
        except ImageFormatError as error:
            if error.reason not in {'bad_format', 'too_many_bytes'}:
                raise
            picture = error
    video = cv2.VideoCapture(name)
    sides = (video.get(side) for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
    if math.prod(sides) > MAX_PIXELS:
        raise ImageFormatError('too_many_pixels', f'a video of more than {MAX_PIXELS} pixels')
    if video.isOpened() and (picture is None or video.get(cv2.CAP_PROP_FRAME_COUNT) > 1):
        return Media(name, video=video)
    video.release()
    if picture is None:
        raise ImageFormatError('undecodable', 'is not a video that OpenCV can read')
    raise ImageFormatError(picture.reason, f'{picture.detail}, nor a video')


@contextlib.contextmanager
def _without_native_messages() -> Iterator[None]:
    """Keep what FFmpeg says of encoders that it lacks off standard error."""
    saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)


class _H264:
    """An MP4 with H.264, by PyAV, with the methods of OpenCV's writer."""

    def __init__(self, path: Path, rate_hz: float, size_wh: tuple[int, int]) -> None:
        import av

        self._frame = av.VideoFrame.from_ndarray
        self._file = av.open(str(path), 'w')
        rate = Fraction(rate_hz).limit_denominator(1001)
        self._stream = self._file.add_stream('libx264', rate, options={'preset': 'veryfast'})
        self._stream.width, self._stream.height = size_wh
        self._stream.pix_fmt = 'yuv420p'

    def write(self, image_bgr: Image) -> None:
        self._file.mux(self._stream.encode(self._frame(image_bgr, format='bgr24')))

    def release(self) -> None:
        self._file.mux(self._stream.encode())
        self._file.close()


class VideoFile:
    """
    One video, opened by its first frame.

    :param path: its ending is replaced by that of the format written; see ``path`` after
        the first frame.
    :param rate_hz: frames a second of the video.
    """

    def __init__(self, path: Path, rate_hz: float) -> None:
        self.path, self._rate_hz = path, rate_hz
        self._writer: cv2.VideoWriter | _H264 | None = None
        self._size_wh = (0, 0)

    def write(self, image_rgb: NDArray[np.uint8]) -> None:
        """
        Add one frame; its sides are made even, later ones are scaled to the first's size.

        :param image_rgb: shape (H, W, 3), uint8.
        :raises BagError: the video cannot be written.
        """
        if self._writer is None:
            self._size_wh = (image_rgb.shape[1] // 2 * 2, image_rgb.shape[0] // 2 * 2)
            self._writer = self._open()
        image_bgr = np.asarray(cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR), np.uint8)
        if (image_bgr.shape[1], image_bgr.shape[0]) != self._size_wh:
            image_bgr = np.asarray(cv2.resize(image_bgr, self._size_wh), np.uint8)
        self._writer.write(image_bgr)

    def _open(self) -> cv2.VideoWriter | _H264:
        self.path = self.path.with_suffix('.mp4')
        with contextlib.suppress(ImportError, OSError):
            return _H264(self.path, self._rate_hz, self._size_wh)
        with _without_native_messages():
            for ending, code in FORMATS:
                path = self.path.with_suffix(ending)
                fourcc = cv2.VideoWriter.fourcc(*code)
                writer = cv2.VideoWriter(str(path), fourcc, self._rate_hz, self._size_wh)
                if writer.isOpened():
                    self.path = path
                    return writer
                path.unlink(missing_ok=True)
        raise BagError(f'{self.path}: this OpenCV cannot write video there')

    def close(self) -> None:
        """Finish the file; calling again does nothing."""
        if self._writer is not None:
            self._writer.release()


class VideoWriter:
    """One annotated video a camera: ``video.webm`` or ``.mp4``, or ``video_CAMERA.webm``."""

    def __init__(self, folder: Path, rate_hz: float) -> None:
        self._folder, self._rate_hz = folder, rate_hz
        self._files: dict[str, VideoFile] = {}
        for old in folder.glob('video*.*'):  # of a run in another format
            if old.suffix in {ending for ending, _ in FORMATS}:
                old.unlink()

    @property
    def paths(self) -> list[Path]:
        """Return the videos begun so far."""
        return [file.path for file in self._files.values()]

    def write(self, recognition: Recognition, image_rgb: NDArray[np.uint8]) -> None:
        """Add a frame with its results drawn in; BagError if the video cannot be written."""
        camera = recognition.camera
        if camera not in self._files:
            name = f'video_{camera}' if camera else 'video'
            self._files[camera] = VideoFile(self._folder / f'{name}.webm', self._rate_hz)
        self._files[camera].write(overlay.draw(image_rgb, recognition))

    def close(self) -> None:
        """Finish the files; calling again does nothing."""
        for file in self._files.values():
            file.close()
