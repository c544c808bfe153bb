"""What there is to look at: the metrics of a run, augmented pictures, an evaluation's report."""

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from alexnet_ros.errors import DatasetError
from alexnet_ros.files import make_folder, write_file
from alexnet_ros.model_package import ModelPackage
from alexnet_ros.tables import csv_text
from alexnet_ros.training.batches import Images, augmentation_for
from alexnet_ros.training.evaluate import Answers, Figures, known_ids
from alexnet_ros.training.layouts import DataSet
from alexnet_ros.training.settings import TrainSettings
from alexnet_ros.training.sources import Image, ImageBank, Record

COLUMNS = ('step', 'crops', 'elapsed_s', 'lr', 'loss', 'train_top1', 'top1', 'macro_recall')
TILE = 112
TILES = 12
WORST = 60
PER_CLASS, MAX_CLASSES = 8, 12


class History:
    """
    Rows of figures, kept in ``metrics.csv``.

    :param folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / 'metrics.csv'
        self.rows: list[dict[str, float]] = []

    def add(self, row: dict[str, float]) -> None:
        """
        Add a row.

        :raises FileWriteError: the file cannot be written.
        """
        self.rows.append(row)
        rows = []
        for one in self.rows:
            told = {n: f'{v:.6g}' if isinstance(v, float) else v for n, v in one.items()}
            rows.append([told.get(name, '') for name in COLUMNS])
        make_folder(self.path.parent)
        write_file(self.path, csv_text(COLUMNS, rows))

    def cut(self, step: int) -> None:
        """Drop what lies after a step, when a run is taken up again."""
        if self.path.exists():
            with self.path.open(newline='') as file:
                rows = [
                    {name: int(v) if name == 'step' else float(v) for name, v in row.items() if v}
                    for row in csv.DictReader(file)
                ]
            self.rows = [row for row in rows if row['step'] <= step]

    def plot(self) -> None:
        """Draw ``metrics.png``, unless matplotlib is missing or there are no rows."""
        try:
            from matplotlib.figure import Figure
        except ImportError:
            return
        if not self.rows:
            return
        figure = Figure(figsize=(12, 3.5), layout='tight')
        crops = [row['crops'] for row in self.rows]
        for axis, names in zip(
            figure.subplots(1, 3),
            (('loss',), ('train_top1', 'top1', 'macro_recall'), ('lr',)),
            strict=True,
        ):
            for name in names:
                axis.plot(crops, [row.get(name, math.nan) for row in self.rows], label=name)
            axis.set_xlabel('images seen')
            axis.legend()
            axis.grid(alpha=0.3)
        page = io.BytesIO()
        figure.savefig(page, dpi=110)
        write_file(self.path.with_suffix('.png'), page.getvalue())


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


def put_text(page: Image, text: str, x: int, y: int) -> None:
    """Write a line in black; ``x`` and ``y`` are its lower left corner."""
    cv2.putText(page, text, (x, y), cv2.FONT_HERSHEY_PLAIN, 0.8, (0, 0, 0))


def write_preview(settings: TrainSettings, data: DataSet, path: Path, size_px: int) -> int:
    """
    Draw a row of pictures a class as the network sees them in training.

    :param size_px: side of the network's input.
    :returns: how many pictures were drawn.
    :raises DatasetError: no such format of pictures.
    """
    bank = ImageBank(data.records)
    augment = augmentation_for(settings, bank, len(bank))
    rng = np.random.default_rng(settings.seed)
    tiles = []
    for label in list(data.labels)[:MAX_CLASSES]:
        places = [i for i, record in enumerate(data.records) if record.class_id == label.class_id]
        for _ in range(PER_CLASS):
            out = np.empty((size_px, size_px, 3), np.uint8)
            augment(bank[places[int(rng.integers(len(places)))]], out, rng)
            tiles.append((out, label.name[:16]))
    write_picture(path, contact_sheet(tiles, PER_CLASS))
    return len(tiles)


def contact_sheet(tiles: Sequence[tuple[Image, str]], columns: int) -> Image:
    """Return pictures (H, W, 3) RGB side by side, each with a line below it, in B, G, R."""
    rows = max(1, -(-len(tiles) // columns))
    page = np.full((rows * (TILE + 16), columns * TILE, 3), 255, np.uint8)
    for place, (image, text) in enumerate(tiles):
        y, x = place // columns * (TILE + 16), place % columns * TILE
        tile = cv2.resize(image, (TILE, TILE), interpolation=cv2.INTER_AREA)
        page[y : y + TILE, x : x + TILE] = tile[..., ::-1]
        put_text(page, text, x + 2, y + TILE + 12)
    return page


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
    words = [f'{truth[index]}>{guess[index]} {best[index]:.2f}' for index in order]
    tiles = [(images[index], text) for index, text in zip(order, words, strict=True)]
    write_picture(path, contact_sheet(tiles, TILES))
