"""OpenVINO: optional, and the quicker one on processors with AMX (docs/benchmarks.md)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_ros.dependencies import install_command
from alexnet_ros.engine.base import Engine, cpu_name, info_of
from alexnet_ros.engine.host import cores
from alexnet_ros.engine.unsigned import unsigned
from alexnet_ros.errors import EngineBuildError, EngineRunError, EngineUnavailableError
from alexnet_ros.files import one_line
from alexnet_ros.model_package import ModelPackage
from alexnet_ros.records import Outputs


class OpenVinoEngine(Engine):
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
        try:
            import openvino
        except Exception as error:  # a broken installation raises all sorts of things
            raise EngineUnavailableError(
                f'openvino cannot be imported ({error}): {install_command("openvino")}'
            ) from error
        count = threads or cores()
        self.info = info_of(
            package, precision, backend='openvino', device=cpu_name(count), max_batch=max_batch
        )
        sizes = [1 << power for power in range(max_batch.bit_length()) if 1 << power <= max_batch]
        hints = {
            'PERFORMANCE_HINT': 'LATENCY',
            'INFERENCE_NUM_THREADS': count,
            'ENABLE_CPU_PINNING': False,  # the robot's other processes have a say
            'INFERENCE_PRECISION_HINT': 'f32',  # else bfloat16 where the processor has it
        }
        shape = (*self.info.input_hw, 3)
        try:
            core: Any = openvino.Core()
            model = core.read_model(unsigned(package.read_onnx(precision)), b'')
            self._requests: dict[int, Any] = {}
            for size in reversed(sizes):  # largest first, as they are tried
                model.reshape([size, *shape])
                compiled = core.compile_model(model, 'CPU', hints)
                self._requests[size] = compiled.create_infer_request()
        except Exception as error:  # its errors are bare RuntimeErrors
            raise EngineBuildError(
                f'{package.onnx_path(precision)}: OpenVINO {openvino.__version__} refuses it: '
                f'{one_line(error)}'
            ) from error
        for size, request in self._requests.items():
            request.infer([np.zeros((size, *shape), np.uint8)])

    def _run(self, rows: NDArray[np.uint8], *, features: bool) -> Outputs:
        """Run as many rows as the largest of the compiled sizes that they fill."""
        requests = self._requests
        if not requests:
            raise EngineRunError('the engine is closed')
        size = next(size for size in requests if size <= len(rows))
        batch = np.ascontiguousarray(rows[:size])
        try:
            found = requests[size].infer([batch], share_inputs=True, share_outputs=True)
        except Exception as error:
            raise EngineRunError(f'OpenVINO failed: {one_line(error)}') from error
        names = ('logits', 'features') if features else ('logits',)
        return Outputs(*(np.array(found[name], np.float32) for name in names))  # copies

    def close(self) -> None:
        """Release everything; calling again does nothing."""
        self._requests = {}
