"""The protocol every engine follows."""

from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from alexnet_ros.records import EngineInfo, Outputs


class Engine(AbstractContextManager['Engine'], Protocol):
    """
    A loaded network.

    Engines are context managers, may be called from any one thread at a time
    and are closed once or more without harm.
    """

    info: EngineInfo

    def infer(self, batch_nhwc: NDArray[np.uint8], *, features: bool = False) -> Outputs:
        """
        Run one batch.

        :param batch_nhwc: shape (N, H, W, 3), uint8, R, G, B; 1 <= N; larger
            batches than ``info.max_batch`` are split. Not modified.
        :param features: also return the fc7 values.
        :returns: new arrays owned by the caller.
        :raises ImageFormatError: wrong shape or dtype.
        :raises EngineRunError: the run failed or gave NaN or infinite logits.
        """
        ...

    def close(self) -> None:
        """Release everything; calling again does nothing."""
        ...
