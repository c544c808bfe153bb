"""OpenVINO: optional, and the quicker one on processors with AMX (docs/benchmarks.md)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_ros.closing import Closing
from alexnet_ros.dependencies import install_command
from alexnet_ros.engine.batch import check_batch, check_finite
from alexnet_ros.engine.host import cores
from alexnet_ros.engine.unsigned import unsigned
from alexnet_ros.errors import (
    ConfigError,
    EngineBuildError,
    EngineRunError,
    EngineUnavailableError,
)
from alexnet_ros.files import one_line
from alexnet_ros.model_package import ModelPackage
from alexnet_ros.records import EngineInfo, Outputs


class OpenVinoEngine(Closing):
    """
    A model compiled by OpenVINO for the CPU.

    One network a batch size is compiled, for 1, 2, 4, … up to ``max_batch``:
    a fixed batch runs faster than an open one, and any other batch is made up
    of these.

    :param package: a verified package; its bytes are verified again as they
        are read.
    :param threads: of one run; 0 takes every core this process may use.
    :param max_batch: larger batches are run in parts.
    :raises EngineUnavailableError: OpenVINO is not installed.
    :raises EngineBuildError: OpenVINO refuses the file.
    """

    def __init__(
        self,
        package: ModelPackage,
        *,
        precision: str | None = None,
        threads: int = 0,
        max_batch: int = 16,
    ) -> None:
        if max_batch < 1 or threads < 0:
            raise ConfigError(
                f'expected max_batch >= 1 and threads >= 0, got {max_batch} and {threads}'
            )
        openvino = _openvino()
        count = threads or cores()
        height, width = package.input.height, package.input.width
        sizes = [1 << power for power in range(max_batch.bit_length()) if 1 << power <= max_batch]
        hints = {
            'PERFORMANCE_HINT': 'LATENCY',
            'INFERENCE_NUM_THREADS': count,
            'ENABLE_CPU_PINNING': False,  # the robot's other processes have a say
            'INFERENCE_PRECISION_HINT': 'f32',  # else bfloat16 where the processor has it
        }
        try:
            core = openvino.Core()
            model = core.read_model(unsigned(package.read_onnx(precision)), b'')
            self._requests: dict[int, Any] = {}
            for size in reversed(sizes):  # largest first, as they are tried
                model.reshape([size, height, width, 3])
                self._requests[size] = core.compile_model(
                    model, 'CPU', hints
                ).create_infer_request()
        except Exception as error:  # its errors are bare RuntimeErrors
            raise EngineBuildError(
                f'{package.onnx_path(precision)}: OpenVINO {openvino.__version__} refuses it: '
                f'{one_line(error)}'
            ) from error
        self.info = EngineInfo(
            backend='openvino',
            device=f'cpu ({count} thread{"s" if count > 1 else ""})',
            precision=package.model_file(precision).precision,
            model_name=package.name,
            model_sha256=package.sha256(precision),
            input_hw=(height, width),
            classes=len(package.labels),
            max_batch=max_batch,
        )
        for size, request in self._requests.items():
            request.infer([np.zeros((size, height, width, 3), np.uint8)])

    def infer(self, batch_nhwc: NDArray[np.uint8], *, features: bool = False) -> Outputs:
        """Run one batch, as :meth:`~alexnet_ros.engine.base.Engine.infer` says."""
        requests = self._requests
        if not requests:
            raise EngineRunError('the engine is closed')
        check_batch(batch_nhwc, self.info.input_hw)
        batch = np.ascontiguousarray(batch_nhwc)
        logits: list[NDArray[np.float32]] = []
        fc7: list[NDArray[np.float32]] = []
        at = 0
        while at < len(batch):
            size = next(size for size in requests if size <= len(batch) - at)
            try:
                results = requests[size].infer(
                    [batch[at : at + size]], share_inputs=True, share_outputs=True
                )
            except Exception as error:
                raise EngineRunError(f'OpenVINO failed: {one_line(error)}') from error
            logits.append(np.array(results['logits'], np.float32))
            if features:
                fc7.append(np.array(results['features'], np.float32))
            at += size
        joined = np.concatenate(logits) if len(logits) > 1 else logits[0]
        check_finite(joined)
        return Outputs(joined, np.concatenate(fc7) if features else None)

    def close(self) -> None:
        """Release everything; calling again does nothing."""
        self._requests = {}


def _openvino() -> Any:
    try:
        import openvino
    except Exception as error:  # a broken installation raises all sorts of things
        raise EngineUnavailableError(
            f'openvino cannot be imported ({error}): {install_command("openvino")}'
        ) from error
    return openvino
