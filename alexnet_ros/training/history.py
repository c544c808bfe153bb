"""Metrics of a run as CSV and as a plot."""

import csv
from pathlib import Path

from alexnet_ros.errors import TrainingError


class History:
    """
    Rows of figures, appended to ``metrics.csv``.

    :param folder: of the run.
    """

    COLUMNS = ('step', 'crops', 'elapsed_s', 'lr', 'loss', 'train_top1', 'top1', 'macro_recall')

    def __init__(self, folder: Path) -> None:
        self.path = folder / 'metrics.csv'
        self.rows: list[dict[str, float]] = []

    def add(self, row: dict[str, float]) -> None:
        """
        Append a row to the file.

        :raises TrainingError: it cannot be written.
        """
        self.rows.append(row)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            new = not self.path.exists()
            with self.path.open('a', newline='') as file:
                writer = csv.DictWriter(file, self.COLUMNS, restval='', extrasaction='ignore')
                if new:
                    writer.writeheader()
                writer.writerow(
                    {
                        name: f'{value:.6g}' if isinstance(value, float) else value
                        for name, value in row.items()
                    }
                )
        except OSError as error:
            raise TrainingError(f'cannot write {self.path}: {error.strerror}') from error

    def cut(self, step: int) -> None:
        """Drop what lies after a step, when a run is taken up again."""
        if not self.path.exists():
            return
        with self.path.open(newline='') as file:
            rows = [row for row in csv.DictReader(file) if int(row['step']) <= step]
        self.path.unlink()
        self.rows = []
        for row in rows:
            self.add(
                {name: float(v) if name != 'step' else int(v) for name, v in row.items() if v}
            )

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
        figure.savefig(path, dpi=110)
        plt.close(figure)
        return path
