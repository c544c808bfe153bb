"""The annotated video: what the recognizer saw, frame by frame."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from alexnet_ros import overlay
from alexnet_ros.errors import BagError
from alexnet_ros.records import Recognition


class VideoWriter:
    """
    One MP4 a camera, written as frames come.

    :param folder: gets ``video.mp4``, or ``video_CAMERA.mp4``.
    :param rate_hz: frames a second of the video.
    """

    def __init__(self, folder: Path, rate_hz: float) -> None:
        self.paths: list[Path] = []
        self._folder, self._rate_hz = folder, rate_hz
        self._writers: dict[str, tuple[cv2.VideoWriter, tuple[int, int]]] = {}

    def write(self, recognition: Recognition, image_rgb: NDArray[np.uint8]) -> None:
        """
        Add one frame; later frames of another size are scaled to the first's.

        :raises BagError: the video cannot be written.
        """
        drawn = overlay.draw(image_rgb, recognition)
        name = recognition.camera
        if name not in self._writers:
            size_wh = (drawn.shape[1] // 2 * 2, drawn.shape[0] // 2 * 2)
            path = self._folder / (f'video_{name}.mp4' if name else 'video.mp4')
            code = cv2.VideoWriter.fourcc(*'mp4v')
            writer = cv2.VideoWriter(str(path), code, self._rate_hz, size_wh)
            if not writer.isOpened():
                raise BagError(f'{path}: this OpenCV cannot write MP4 video')
            self._writers[name] = (writer, size_wh)
            self.paths.append(path)
        writer, size_wh = self._writers[name]
        if (drawn.shape[1], drawn.shape[0]) != size_wh:
            drawn = np.asarray(cv2.resize(drawn, size_wh), np.uint8)
        writer.write(np.ascontiguousarray(drawn[..., ::-1]))

    def close(self) -> None:
        """Finish the files; calling again does nothing."""
        for writer, _ in self._writers.values():
            writer.release()
