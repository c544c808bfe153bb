"""What every engine is: a loaded network that runs batches, whatever runs it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alexnet_ros.closing import Closing
from alexnet_ros.errors import ConfigError, EngineRunError, ImageFormatError
from alexnet_ros.model_package import ModelPackage
from alexnet_ros.records import EngineInfo, Outputs


class Engine(Closing):
    """
    A loaded network.

    Engines are context managers, may be called from any one thread at a time
    and are closed once or more without harm. Each gives :meth:`_run` and
    :meth:`close`.
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
        shape: tuple[int, ...] = getattr(batch_nhwc, 'shape', ())
        kind = getattr(batch_nhwc, 'dtype', type(batch_nhwc).__name__)  # of what is no array, too
        wanted = (*self.info.input_hw, 3)
        if len(shape) != 4 or shape[1:] != wanted or not shape[0] or kind != np.uint8:
            raise ImageFormatError(
                'bad_batch',
                f'expected (N >= 1, {wanted[0]}, {wanted[1]}, 3) uint8, got {shape} {kind}',
            )
        parts: list[Outputs] = []
        at = 0
        while at < len(batch_nhwc):
            rows = batch_nhwc[at : at + self.info.max_batch]
            parts.append(self._run(rows, features=features))
            at += len(parts[-1].logits)
        found = parts[0]
        if len(parts) > 1:
            fc7 = [part.features for part in parts if part.features is not None]
            logits = np.concatenate([part.logits for part in parts])
            found = Outputs(logits, np.concatenate(fc7) if fc7 else None)
        if not np.isfinite(found.logits).all():
            raise EngineRunError(
                'the network produced NaN or infinite logits; its results are discarded'
            )
        return found

    def _run(self, rows: NDArray[np.uint8], *, features: bool) -> Outputs:
        """
        Run the first of some rows, as many as go at once.

        :param rows: at most ``info.max_batch``, checked.
        :returns: new float32 arrays, one row an image.
        """
        raise NotImplementedError


def info_of(
    package: ModelPackage, precision: str | None, *, backend: str, device: str, max_batch: int
) -> EngineInfo:
    """Say what runs; ConfigError for a largest batch below 1."""
    if max_batch < 1:
        raise ConfigError(f'max_batch must be at least 1, got {max_batch}')
    file = package.model_file(precision)
    return EngineInfo(
        backend=backend,
        device=device,
        precision=file.precision,
        model_name=package.name,
        model_sha256=file.sha256,
        input_hw=(package.input.height, package.input.width),
        classes=len(package.labels),
        max_batch=max_batch,
    )


def cpu_name(threads: int) -> str:
    """Return how the device of a CPU runtime is called."""
    return f'cpu ({threads} thread{"s" if threads > 1 else ""})'


@dataclass(frozen=True, slots=True)
class BuildProgress:
    """
    One sign of life of an engine's build.

    :param phase: what is being done, a few words.
    :param fraction: done share of the whole build, 0 to 1, or None where the
        builder does not tell.
    """

    phase: str
    fraction: float | None
    elapsed_s: float

    def __str__(self) -> str:
        """Return one line for a log."""
        share = '' if self.fraction is None else f' {self.fraction:4.0%}'
        return f'building engine:{share} {self.phase} ({self.elapsed_s:.0f} s)'
