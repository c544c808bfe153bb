"""Annotated videos, in a form that browsers play, written as frames come."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from alexnet_ros import overlay
from alexnet_ros.errors import BagError
from alexnet_ros.records import Recognition

FORMATS = (  # ending and code, the best first; OpenCV's wheels hold no H.264 encoder, apt's does
    ('.mp4', 'avc1'),
    ('.webm', 'VP80'),
    ('.mp4', 'mp4v'),  # plays in no browser
)


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


class VideoFile:
    """
    One video, opened by its first frame.

    :param path: its ending is replaced by that of the format written; see ``path`` after
        the first frame.
    :param rate_hz: frames a second of the video.
    """

    def __init__(self, path: Path, rate_hz: float) -> None:
        self.path, self._rate_hz = path, rate_hz
        self._writer: cv2.VideoWriter | None = None
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
        image_bgr = np.ascontiguousarray(image_rgb[..., ::-1])
        if (image_bgr.shape[1], image_bgr.shape[0]) != self._size_wh:
            image_bgr = np.asarray(cv2.resize(image_bgr, self._size_wh), np.uint8)
        self._writer.write(image_bgr)

    def _open(self) -> cv2.VideoWriter:
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
    """
    One annotated video a camera.

    :param folder: gets ``video.webm`` (or ``.mp4``), or ``video_CAMERA.webm``.
    :param rate_hz: frames a second of the video.
    """

    def __init__(self, folder: Path, rate_hz: float) -> None:
        self._folder, self._rate_hz = folder, rate_hz
        self._files: dict[str, VideoFile] = {}
        for old in folder.glob('video*.*'):  # of a run in another format
            if old.suffix in {ending for ending, _ in FORMATS}:
                old.unlink()

    @property
    def paths(self) -> list[Path]:
        """The videos begun so far."""
        return [file.path for file in self._files.values()]

    def write(self, recognition: Recognition, image_rgb: NDArray[np.uint8]) -> None:
        """
        Add one frame with what was recognised drawn into it.

        :raises BagError: the video cannot be written.
        """
        camera = recognition.camera
        if camera not in self._files:
            name = f'video_{camera}' if camera else 'video'
            self._files[camera] = VideoFile(self._folder / f'{name}.webm', self._rate_hz)
        self._files[camera].write(overlay.draw(image_rgb, recognition))

    def close(self) -> None:
        """Finish the files; calling again does nothing."""
        for file in self._files.values():
            file.close()
