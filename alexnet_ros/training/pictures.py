"""Pages to look at: what augmentation makes of the data, and an evaluation's report."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from alexnet_ros.errors import DatasetError
from alexnet_ros.files import make_folder, write_file
from alexnet_ros.model_package import ModelPackage
from alexnet_ros.tables import csv_text
from alexnet_ros.training.batches import Images
from alexnet_ros.training.evaluate import Answers, known_ids
from alexnet_ros.training.figures import Figures
from alexnet_ros.training.network import VARIANTS
from alexnet_ros.training.run import Data, augmentation_for
from alexnet_ros.training.settings import TrainSettings
from alexnet_ros.training.sources import Image, ImageBank, Record

TILE = 96
COLUMNS = 12
WORST = 60
PREVIEW_TILE, PER_CLASS, MAX_CLASSES = 128, 8, 12


def write_picture(path: Path, page_bgr: Image) -> None:
    """
    Write a page in the format that the file's name asks for.

    :raises DatasetError: there is no such format.
    :raises FileWriteError: it cannot be written.
    """
    try:
        data = cv2.imencode(path.suffix, page_bgr)[1].tobytes()
    except cv2.error as error:
        raise DatasetError(f'{path}: expected a name that ends in .png or .jpg') from error
    make_folder(path.parent)
    write_file(path, data)


def put_text(page: Image, text: str, x: int, y: int, scale: float = 0.8) -> None:
    """Write a line in black; ``x`` and ``y`` are its lower left corner."""
    cv2.putText(page, text, (x, y), cv2.FONT_HERSHEY_PLAIN, scale, (0, 0, 0))


def write_preview(settings: TrainSettings, data: Data, path: Path) -> int:
    """
    Draw a row of pictures a class as the network sees them in training.

    :returns: how many pictures were drawn.
    :raises DatasetError: no such format of pictures.
    """
    bank = ImageBank(data.records)
    augment = augmentation_for(settings, bank)
    size = settings.input_px or VARIANTS[settings.variant].input_px
    rng = np.random.default_rng(settings.seed)
    rows = []
    for label in list(data.labels)[:MAX_CLASSES]:
        places = [i for i, record in enumerate(data.records) if record.class_id == label.class_id]
        row = np.full((PREVIEW_TILE + 18, PREVIEW_TILE * PER_CLASS, 3), 255, np.uint8)
        for column in range(PER_CLASS):
            out = np.empty((size, size, 3), np.uint8)
            augment(bank[places[int(rng.integers(len(places)))]], out, rng)
            tile = cv2.resize(out, (PREVIEW_TILE, PREVIEW_TILE), interpolation=cv2.INTER_AREA)
            row[18:, column * PREVIEW_TILE : (column + 1) * PREVIEW_TILE] = tile[..., ::-1]
        put_text(row, label.name[:60], 4, 13, 1.0)
        rows.append(row)
    write_picture(path, np.concatenate(rows))
    return len(rows) * PER_CLASS


def write_report(
    folder: Path,
    figures: Figures,
    answers: Answers,
    *,
    records: Sequence[Record],
    images: Images,
    package: ModelPackage,
) -> None:
    """Write ``per_class.csv``, ``confusion.png`` and ``errors.png`` into a folder."""
    make_folder(folder)
    background = package.scores.unknown_class_id
    names = [label.name for label in package.labels if label.class_id != background]
    truth = known_ids(np.array([record.class_id for record in records], np.int64), package)
    rows = []
    guess = answers.probabilities.argmax(1)
    for index, name in enumerate(names):
        mine, said = truth == index, guess == index
        right, count = int((mine & said).sum()), int(mine.sum())
        recall, precision = _share(right, count), _share(right, int(said.sum()))
        unknown = int(answers.unknown[mine].sum())
        rows.append((index, name, count, recall, precision, unknown))
    columns = ('class_id', 'name', 'images', 'recall', 'precision', 'unknown')
    write_file(folder / 'per_class.csv', csv_text(columns, rows))
    confusion_picture(figures.confusion, folder / 'confusion.png')
    worst_errors(answers, truth, images, folder / 'errors.png')


def _share(part: int, whole: int) -> str:
    return f'{part / whole:.5f}' if whole else ''


def confusion_picture(confusion: NDArray[np.int64], path: Path) -> None:
    """Draw shares of each true class (row) by answer (column), errors made visible."""
    classes = len(confusion)
    cell = max(4, min(18, 900 // classes))
    totals = np.maximum(confusion.sum(1, keepdims=True), 1)
    shares = confusion / totals
    heat = (255 * np.sqrt(shares)).astype(np.uint8)
    big = np.kron(heat, np.ones((cell, cell), np.uint8))
    picture = cv2.applyColorMap(big, cv2.COLORMAP_VIRIDIS)
    edge = 36
    page = np.full((big.shape[0] + edge, big.shape[1] + edge, 3), 255, np.uint8)
    page[edge:, edge:] = picture
    for index in range(0, classes, max(1, classes // 15)):
        place = edge + index * cell + cell
        put_text(page, str(index), 2, place)
        put_text(page, str(index), place - cell, 20)
    write_picture(path, page)


def worst_errors(answers: Answers, truth: NDArray[np.int64], images: Images, path: Path) -> None:
    """Draw the most confident wrong answers: truth, arrow, answer, score."""
    guess, best = answers.probabilities.argmax(1), answers.probabilities.max(1)
    wrong = np.flatnonzero(guess != truth)
    order = wrong[np.argsort(-best[wrong], kind='stable')][:WORST].tolist()
    rows = max(1, -(-len(order) // COLUMNS))
    page = np.full((rows * (TILE + 16), COLUMNS * TILE, 3), 255, np.uint8)
    for place, index in enumerate(order):
        y, x = place // COLUMNS * (TILE + 16), place % COLUMNS * TILE
        tile = cv2.resize(images[index], (TILE, TILE), interpolation=cv2.INTER_LINEAR)
        page[y : y + TILE, x : x + TILE] = tile[..., ::-1]
        text = f'{truth[index]}>{guess[index]} {best[index]:.2f}'
        put_text(page, text, x + 2, y + TILE + 12)
    write_picture(path, page)
