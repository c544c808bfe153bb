"""Annotated pictures and videos, one folder of them."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from alexnet_ros.errors import AlexnetRosError
from alexnet_ros.files import make_folder
from alexnet_ros.video import Media, VideoFile

Image = NDArray[np.uint8]


class PictureFile:
    """One annotated picture."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, image_rgb: Image) -> None:
        """Write it."""
        if not cv2.imwrite(str(self.path), np.ascontiguousarray(image_rgb[..., ::-1])):
            raise AlexnetRosError(f'cannot write {self.path}')

    def close(self) -> None:
        """Do nothing; a video has something to finish."""


class MediaWriter:
    """Makes a sink for each file in one folder, none twice under the same name."""

    def __init__(self, folder: Path) -> None:
        make_folder(folder)
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
