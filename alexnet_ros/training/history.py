"""Metrics of a run as CSV and as a plot."""

import csv
import io
from pathlib import Path

from alexnet_ros.files import make_folder, write_file

COLUMNS = ('step', 'crops', 'elapsed_s', 'lr', 'loss', 'train_top1', 'top1', 'macro_recall')


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
        text = io.StringIO(newline='')
        writer = csv.DictWriter(text, COLUMNS, restval='', extrasaction='ignore')
        writer.writeheader()
        for one in self.rows:
            writer.writerow({n: f'{v:.6g}' if isinstance(v, float) else v for n, v in one.items()})
        make_folder(self.path.parent)
        write_file(self.path, text.getvalue())

    def cut(self, step: int) -> None:
        """Drop what lies after a step, when a run is taken up again."""
        if not self.path.exists():
            return
        with self.path.open(newline='') as file:
            rows = [
                {name: int(v) if name == 'step' else float(v) for name, v in row.items() if v}
                for row in csv.DictReader(file)
            ]
        self.rows = [row for row in rows if row['step'] <= step]

    def plot(self) -> Path | None:
        """Draw ``metrics.png``; None where matplotlib is missing or there are no rows."""
        try:
            import matplotlib as mpl

            mpl.use('Agg')
            from matplotlib import pyplot as plt
        except ImportError:
            return None
        if not self.rows:
            return None
        figure, axes = plt.subplots(1, 3, figsize=(12, 3.5))
        crops = [row['crops'] for row in self.rows]
        for axis, names in zip(
            axes, (('loss',), ('train_top1', 'top1', 'macro_recall'), ('lr',)), strict=True
        ):
            for name in names:
                values = [row.get(name, float('nan')) for row in self.rows]
                axis.plot(crops, values, label=name)
            axis.set_xlabel('images seen')
            axis.legend()
            axis.grid(alpha=0.3)
        path = self.path.with_suffix('.png')
        figure.tight_layout()
        page = io.BytesIO()
        figure.savefig(page, dpi=110)
        plt.close(figure)
        write_file(path, page.getvalue())
        return path
