"""ONNX Runtime: runs every model package on any CPU, or on CUDA where it works."""

import contextlib
import io
import logging
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_ros.dependencies import install_command
from alexnet_ros.engine.base import Engine, cpu_name, info_of
from alexnet_ros.engine.host import cores
from alexnet_ros.engine.unsigned import unsigned
from alexnet_ros.errors import (
    ConfigError,
    EngineBuildError,
    EngineFatalError,
    EngineRunError,
    EngineUnavailableError,
)
from alexnet_ros.files import one_line
from alexnet_ros.model_package import ModelPackage
from alexnet_ros.records import Outputs

PROVIDERS = {'cpu': 'CPUExecutionProvider', 'cuda': 'CUDAExecutionProvider'}
MAX_THREADS = 8  # chosen by itself; more gain little at small batches
SPIN_US = 100  # of waiting for each other, then threads sleep; most waits are shorter
log = logging.getLogger(__name__)


class OnnxRuntimeEngine(Engine):
    """
    A model in ONNX Runtime.

    :param package: a verified package; its bytes are verified again as they
        are read, and those bytes are loaded, never the path.
    :param threads: of one run; 0 takes every core this process may use, at
        most eight.
    :param provider: ``cpu`` or ``cuda``.
    :param max_batch: larger batches are run in parts of this size.
    :param spinning: threads that wait for each other within a run do so in a
        loop, however long it takes: for half as much processor time again. By
        default they sleep after :data:`SPIN_US`, where the runtime has that
        (1.26), else at once (docs/benchmarks.md). Between runs they always sleep.
    :raises EngineUnavailableError: ONNX Runtime or the provider is not here.
    :raises EngineBuildError: ONNX Runtime refuses the file.
    """

    def __init__(
        self,
        package: ModelPackage,
        *,
        precision: str | None = None,
        threads: int = 0,
        provider: str = 'cpu',
        max_batch: int = 16,
        spinning: bool = False,
    ) -> None:
        if provider not in PROVIDERS:
            raise ConfigError(f'provider must be cpu or cuda, got {provider!r}')
        runtime = _runtime()
        there = runtime.get_available_providers()
        if PROVIDERS[provider] not in there:
            raise EngineUnavailableError(
                f'ONNX Runtime {runtime.__version__} was built without {PROVIDERS[provider]}; '
                'install onnxruntime-gpu or take another backend'
            )
        count = threads or min(cores(), MAX_THREADS)
        self._cuda = provider == 'cuda'
        device = 'cuda:0' if self._cuda else cpu_name(count)
        self.info = info_of(
            package, precision, backend='onnxruntime', device=device, max_batch=max_batch
        )
        self._session: Any = _session(
            runtime, package, precision, provider=provider, threads=count, spinning=spinning
        )
        self._run(np.zeros((1, *self.info.input_hw, 3), np.uint8), features=False)

    def _run(self, rows: NDArray[np.uint8], *, features: bool) -> Outputs:
        session = self._session  # closing meanwhile leaves this run its session
        if session is None:
            raise EngineRunError('the engine is closed')
        names = ['logits', 'features'] if features else ['logits']
        try:
            found = session.run(names, {'image': np.ascontiguousarray(rows)})
        except Exception as error:
            raise self._run_error(error) from error
        return Outputs(*(np.asarray(one, np.float32) for one in found))

    def _run_error(self, error: Exception) -> EngineRunError:
        """Tell a run that failed from a device that is lost."""
        text = one_line(error)
        memory = 'out of memory' in text.lower() or 'failed to allocate' in text.lower()
        if self._cuda and 'CUDA' in text and not memory:
            return EngineFatalError(f'CUDA failed, the process must be started again: {text}')
        return EngineRunError(f'ONNX Runtime failed: {text}')

    def close(self) -> None:
        """Release everything; calling again does nothing."""
        self._session = None


def run_file(
    source: Path | bytes, feeds: dict[str, NDArray[Any]], outputs: list[str] | None = None
) -> list[NDArray[Any]]:
    """
    Run any ONNX file once on the CPU, as it is, for a comparison with it.

    :raises Exception: whatever ONNX Runtime raises.
    """
    runtime = _runtime()
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    session = runtime.InferenceSession(source, options, providers=[PROVIDERS['cpu']])
    return list(session.run(outputs, feeds))


def _runtime() -> Any:
    try:
        import onnxruntime
    except Exception as error:  # a broken installation raises all sorts of things
        raise EngineUnavailableError(
            f'onnxruntime cannot be imported ({error}): {install_command("onnxruntime")}'
        ) from error
    return onnxruntime


def _session(
    runtime: Any,
    package: ModelPackage,
    precision: str | None,
    *,
    provider: str,
    threads: int,
    spinning: bool,
) -> Any:
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads  # given, so that threads are not pinned to cores
    options.inter_op_num_threads = 1
    options.execution_mode = runtime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3  # errors
    briefly = tuple(map(int, runtime.__version__.split('.')[:2])) >= (1, 26)
    options.add_session_config_entry(
        'session.intra_op.allow_spinning', str(int(spinning or briefly))
    )
    if not spinning:
        options.add_session_config_entry('session.intra_op.spin_duration_us', str(SPIN_US))
    options.add_session_config_entry('session.force_spinning_stop', '1')
    asked = [PROVIDERS[provider]]
    if provider != 'cpu':
        asked.append(PROVIDERS['cpu'])  # for shapes and what CUDA lacks
        _preload(runtime)
    data = package.read_onnx(precision)
    data = unsigned(data) if provider == 'cpu' else data
    try:
        session = runtime.InferenceSession(data, sess_options=options, providers=asked)
        session.disable_fallback()
    except Exception as error:  # its errors have no root of their own
        raise EngineBuildError(
            f'{package.onnx_path(precision)}: ONNX Runtime {runtime.__version__} refuses it: '
            f'{one_line(error)}; export it again'
        ) from error
    # A provider that cannot start is left out without an error (its libraries,
    # driver or device are missing), so the session is asked what it runs on.
    if PROVIDERS[provider] != session.get_providers()[0]:
        raise EngineUnavailableError(
            f'ONNX Runtime has no working {PROVIDERS[provider]}: it would run on '
            f'{", ".join(session.get_providers())}; check the driver and its libraries'
        )
    return session


def _preload(runtime: Any) -> None:
    """Load the CUDA libraries that pip installed, which ONNX Runtime does not find itself."""
    if not hasattr(runtime, 'preload_dlls'):  # before 1.21
        return
    with contextlib.redirect_stdout(io.StringIO()) as said:  # its complaints are prints
        runtime.preload_dlls()
    if said.getvalue():
        log.info('CUDA libraries: %s', ' '.join(said.getvalue().split()))
