"""What augmentation makes of the pictures, as one page to look at."""

from pathlib import Path

import cv2
import numpy as np

from alexnet_ros.errors import DatasetError
from alexnet_ros.training.network import VARIANTS
from alexnet_ros.training.run import Data, augmentation_for
from alexnet_ros.training.settings import TrainSettings
from alexnet_ros.training.sources import ImageBank

TILE, PER_CLASS, MOST_CLASSES = 128, 8, 12


def write_preview(settings: TrainSettings, data: Data, path: Path) -> int:
    """
    Draw a row of pictures a class as the network sees them in training.

    :returns: how many pictures were drawn.
    :raises DatasetError: the page cannot be written.
    """
    bank = ImageBank(data.records)
    augment = augmentation_for(settings, bank)
    size = settings.input_px or VARIANTS[settings.variant].input_px
    rng = np.random.default_rng(settings.seed)
    rows = []
    for label in list(data.labels)[:MOST_CLASSES]:
        places = [i for i, record in enumerate(data.records) if record.class_id == label.class_id]
        row = np.full((TILE + 18, TILE * PER_CLASS, 3), 255, np.uint8)
        for column in range(PER_CLASS):
            out = np.empty((size, size, 3), np.uint8)
            augment(bank[places[int(rng.integers(len(places)))]], out, rng)
            tile = cv2.resize(out, (TILE, TILE), interpolation=cv2.INTER_AREA)
            row[18:, column * TILE : (column + 1) * TILE] = tile[..., ::-1]
        cv2.putText(row, label.name[:60], (4, 13), cv2.FONT_HERSHEY_PLAIN, 1.0, (0, 0, 0))
        rows.append(row)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        written = cv2.imwrite(str(path), np.concatenate(rows))
    except cv2.error:  # an unknown suffix
        written = False
    if not written:
        raise DatasetError(f'cannot write the preview {path}; its name must end in .png or .jpg')
    return len(rows) * PER_CLASS
