"""The time that each stage took, over a whole run."""

from array import array
from collections.abc import Mapping
from typing import Any

import numpy as np

BIN_EDGES_MS = (0.1, 0.2, 0.5, 1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 100, 200, 500)


class StageTimes:
    """Four bytes a stage and frame, so that percentiles are exact."""

    def __init__(self) -> None:
        self._values: dict[str, array[float]] = {}

    def add(self, stage_ms: Mapping[str, float]) -> None:
        """Take the times of one frame in, milliseconds."""
        for stage, value in stage_ms.items():
            self._values.setdefault(stage, array('f')).append(value)

    def as_json(self) -> dict[str, Any]:
        """Return percentiles in milliseconds and a histogram, by stage."""
        table = {}
        for stage, values in self._values.items():
            found = np.asarray(values)
            p50, p95, p99 = np.percentile(found, [50, 95, 99])
            counts = np.histogram(found, [0, *BIN_EDGES_MS, np.inf])[0]
            table[stage] = {
                'p50_ms': round(float(p50), 4),
                'p95_ms': round(float(p95), 4),
                'p99_ms': round(float(p99), 4),
                'mean_ms': round(float(found.mean()), 4),
                'max_ms': round(float(found.max()), 4),
                'histogram': [int(count) for count in counts],
            }
        return {'bin_edges_ms': list(BIN_EDGES_MS), 'stages': table}
