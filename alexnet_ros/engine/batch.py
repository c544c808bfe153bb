"""What every engine asks of a batch."""

import numpy as np
from numpy.typing import NDArray

from alexnet_ros.errors import EngineRunError, ImageFormatError


def check_batch(batch_nhwc: NDArray[np.uint8], input_hw: tuple[int, int]) -> None:
    """
    Refuse anything but images of the network's size.

    :param batch_nhwc: expected (N >= 1, H, W, 3), uint8.
    :raises ImageFormatError: another shape or dtype.
    """
    wanted = (*input_hw, 3)
    shape: tuple[int, ...] = getattr(batch_nhwc, 'shape', ())
    kind = getattr(batch_nhwc, 'dtype', type(batch_nhwc).__name__)  # of what is no array, too
    if len(shape) != 4 or shape[1:] != wanted or not shape[0] or kind != np.uint8:
        raise ImageFormatError(
            'bad_batch',
            f'expected (N >= 1, {wanted[0]}, {wanted[1]}, 3) uint8, got {shape} {kind}',
        )


def check_finite(logits: NDArray[np.float32]) -> None:
    """Raise EngineRunError for logits that are NaN or infinite."""
    if not np.isfinite(logits).all():
        raise EngineRunError(
            'the network produced NaN or infinite logits; its results are discarded'
        )
