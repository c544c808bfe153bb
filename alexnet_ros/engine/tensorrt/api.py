"""
Load TensorRT or TensorRT for RTX; the only file that imports them.

Both have the same Python API. What differs between versions is asked with
``hasattr`` where it is used, never by comparing version numbers.
"""

import functools
import importlib.util
import logging
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from alexnet_ros.errors import EngineUnavailableError

MODULES = {  # flavour: modules that may carry it
    'tensorrt': ('tensorrt',),
    'tensorrt_rtx': ('tensorrt_rtx', 'tensorrt_rtx_bindings'),
}
REMEDIES = {
    'tensorrt': 'on a Jetson install python3-libnvinfer and create the environment with '
    '--system-site-packages (docs/jetson.md)',
    'tensorrt_rtx': 'pip install tensorrt-rtx-cu13-bindings tensorrt-rtx-cu13-libs',
}
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TensorRtApi:
    """
    One loaded TensorRT.

    :param logger: the one logger of the process for it (TensorRT keeps one).
    :param errors: the latest error messages, oldest first.
    :param layers: the latest list of layers that a builder told, if any.
    """

    flavour: str
    module: Any
    version: str
    logger: Any
    errors: deque[str]
    layers: deque[str] = field(default_factory=deque)

    def take_errors(self) -> str:
        """Return and forget the latest error messages, in one line."""
        text = ' | '.join(' '.join(message.split()) for message in self.errors)
        self.errors.clear()
        return text or 'TensorRT gave no reason'


def is_installed(flavour: str) -> bool:
    """Say whether a module of this flavour can be found, without importing it."""
    return any(_found(name) for name in MODULES[flavour])


def _found(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


@functools.cache
def load_tensorrt(flavour: str) -> TensorRtApi:
    """
    Import TensorRT.

    :param flavour: ``tensorrt`` or ``tensorrt_rtx``.
    :raises EngineUnavailableError: not installed, broken or too old; the
        message says which and what to do.
    """
    if not is_installed(flavour):
        raise EngineUnavailableError(
            f'Python module {MODULES[flavour][0]} is not installed; {REMEDIES[flavour]}'
        )
    try:
        module = _import(flavour)
    except Exception as error:
        raise EngineUnavailableError(
            f'Python module {MODULES[flavour][0]} cannot be loaded '
            f'({type(error).__name__}: {error}); {REMEDIES[flavour]}'
        ) from error
    version = str(getattr(module, '__version__', 'unknown'))
    missing = [
        f'{kind}.{name}'
        for kind, name in (
            ('IExecutionContext', 'execute_async_v3'),
            ('IExecutionContext', 'set_tensor_address'),
            ('Builder', 'build_serialized_network'),
            ('ExecutionContextAllocationStrategy', 'USER_MANAGED'),  # since 10.0
        )
        if not hasattr(getattr(module, kind, None), name)
    ]
    if missing:
        raise EngineUnavailableError(
            f'{flavour} {version} is too old: it has no {", ".join(missing)}; TensorRT 10 or '
            'newer is needed (JetPack 6.1), or backend onnxruntime'
        )
    errors: deque[str] = deque(maxlen=4)
    layers: deque[str] = deque(maxlen=1)
    logger = _logger(module, errors, layers)
    return TensorRtApi(flavour, module, version, logger, errors, layers)


def _import(flavour: str) -> Any:
    if flavour == 'tensorrt':
        import tensorrt

        return tensorrt
    if _found('tensorrt_rtx'):
        import tensorrt_rtx

        return tensorrt_rtx
    import tensorrt_rtx_bindings

    return tensorrt_rtx_bindings


def _logger(module: Any, errors: deque[str], layers: deque[str]) -> Any:
    severity = module.ILogger.Severity
    levels = {  # errors are told by the exception that take_errors() goes into
        severity.INTERNAL_ERROR: logging.INFO,
        severity.ERROR: logging.INFO,
        severity.WARNING: logging.INFO,
        severity.INFO: logging.DEBUG,
        severity.VERBOSE: logging.DEBUG,
    }

    class PythonLogger(module.ILogger):  # type: ignore[misc]
        """TensorRT's messages, with the errors kept for ours."""

        def __init__(self) -> None:
            module.ILogger.__init__(self)

        def log(self, level: Any, message: str) -> None:
            """Receive one message, from any thread."""
            if level in (severity.INTERNAL_ERROR, severity.ERROR):
                errors.append(message)
            if level == severity.VERBOSE:
                if message.startswith('Layers:'):
                    layers.append(message)
            else:
                log.log(levels.get(level, logging.DEBUG), '%s', message)

    return PythonLogger()
