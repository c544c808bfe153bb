"""Pictures and videos as streams of RGB frames, and annotated ones written back."""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
from numpy.typing import NDArray

from alexnet_ros.codec import rgb_from_file
from alexnet_ros.errors import AlexnetRosError, ImageFormatError
from alexnet_ros.video import VideoFile

Image = NDArray[np.uint8]

VIDEOS = ('.mp4', '.avi', '.mkv', '.mov', '.webm', '.m4v', '.mpg', '.mpeg', '.ts')
"""Endings that are opened as video at once; anything else is tried as a picture first."""

RATE_HZ = 25.0
"""Frame rate of a video that does not tell its own."""


class Media:
    """
    The frames of one picture or video, in their order.

    :param path: where it came from.
    :param image_rgb: the picture, or None for a video.
    :param video: the opened video, or None for a picture.
    """

    def __init__(
        self, path: Path, image_rgb: Image | None = None, video: cv2.VideoCapture | None = None
    ) -> None:
        self.path = path
        self._image_rgb = image_rgb
        self._video = video
        self.frames = 1
        self.rate_hz = RATE_HZ
        if video is not None:
            self.frames = max(0, int(video.get(cv2.CAP_PROP_FRAME_COUNT)))
            rate = video.get(cv2.CAP_PROP_FPS)
            self.rate_hz = rate if 0.1 < rate < 1000 else RATE_HZ

    def __iter__(self) -> Iterator[tuple[int, Image]]:
        """
        Yield stamp in nanoseconds from the start, and frame (H, W, 3) uint8.

        :raises ImageFormatError: a video without a single frame.
        """
        if self._image_rgb is not None:
            yield 0, self._image_rgb
            return
        number = 0
        while self._video is not None:
            good, image_bgr = self._video.read()
            if not good:
                break
            yield round(number / self.rate_hz * 1e9), _rgb(image_bgr)
            number += 1
        if not number:
            raise ImageFormatError('no_frames', 'no frame of this video can be decoded')

    def __enter__(self) -> 'Media':
        """Return the media."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the video."""
        if self._video is not None:
            self._video.release()


def _rgb(image_bgr: object) -> Image:
    return np.asarray(cv2.cvtColor(np.asarray(image_bgr), cv2.COLOR_BGR2RGB), np.uint8)


def open_media(path: Path) -> Media:
    """
    Open a picture or a video.

    :raises ImageFormatError: the file is missing, damaged or neither.
    """
    picture: ImageFormatError | None = None
    if path.suffix.lower() not in VIDEOS or not path.is_file():
        try:
            return Media(path, image_rgb=rgb_from_file(path))
        except ImageFormatError as error:
            if error.reason not in {'bad_format', 'too_many_bytes'}:
                raise
            picture = error
    video = cv2.VideoCapture(str(path))
    if video.isOpened() and (picture is None or video.get(cv2.CAP_PROP_FRAME_COUNT) > 1):
        return Media(path, video=video)
    video.release()
    if picture is None:
        raise ImageFormatError('undecodable', 'is no video that OpenCV can read')
    raise ImageFormatError(picture.reason, f'{picture.detail}, nor a video')


class PictureFile:
    """
    One annotated picture.

    :param path: its ending chooses the format.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, image_rgb: Image) -> None:
        """
        Write it.

        :raises AlexnetRosError: it cannot be written.
        """
        if not cv2.imwrite(str(self.path), np.ascontiguousarray(image_rgb[..., ::-1])):
            raise AlexnetRosError(f'cannot write {self.path}')

    def close(self) -> None:
        """Do nothing; a video has something to finish."""


class MediaWriter:
    """
    Makes a sink for each file in one folder, none twice under the same name.

    :param folder: created if missing.
    :raises AlexnetRosError: it cannot be created.
    """

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise AlexnetRosError(f'cannot create {folder}: {error.strerror}') from error
        self._folder = folder
        self._names: set[str] = set()

    def sink(self, media: Media) -> PictureFile | VideoFile:
        """Return where the annotated frames of one file go."""
        is_video = media.frames != 1
        suffix = '.webm' if is_video else media.path.suffix.lower()
        if not is_video and suffix not in {'.jpg', '.jpeg', '.png', '.bmp', '.webp'}:
            suffix = '.jpg'
        name, count = f'{media.path.stem}{suffix}', 1
        while name in self._names:
            count += 1
            name = f'{media.path.stem}_{count}{suffix}'
        self._names.add(name)
        path = self._folder / name
        return VideoFile(path, media.rate_hz) if is_video else PictureFile(path)
