"""A foreign network in half precision or INT8, by ONNX Runtime's own tools."""

import logging
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from alexnet_ros.errors import ModelPackageError, TrainingError

QUANTISED = ('Conv', 'Gemm', 'MatMul')
BATCH = 16


def half_model(model: onnx.ModelProto) -> bytes:
    """
    Return the network with half-precision layers; its inputs and outputs stay.

    :raises ModelPackageError: it has layers that cannot be half.
    """
    from onnxruntime.transformers.float16 import convert_float_to_float16

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    try:
        return bytes(convert_float_to_float16(copy, keep_io_types=True).SerializeToString())
    except Exception as error:  # it has no errors of its own
        line = ' '.join(str(error).split())[:160]
        raise ModelPackageError(f'this network cannot be made FP16: {line}') from error


def int8_model(model: onnx.ModelProto, images: NDArray[np.uint8] | None) -> bytes:
    """
    Return the network with symmetric INT8 Q/DQ round its layers with weights.

    :param images: real inputs (N, H, W, 3) to calibrate on.
    :raises TrainingError: there are none.
    :raises ModelPackageError: it cannot be quantised.
    """
    if images is None or not len(images):
        raise TrainingError('INT8 needs real images to calibrate on; give --data')
    real = images
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        """Gives the images in small batches."""

        def __init__(self) -> None:
            starts = range(0, len(real), BATCH)
            self._batches = iter([{'image': real[at : at + BATCH]} for at in starts])

        def get_next(self) -> Any:
            return next(self._batches, None)

    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)  # it advises steps that this graph does not need
    try:
        with tempfile.TemporaryDirectory() as scratch:
            target = Path(scratch) / 'int8.onnx'
            quantize_static(
                model,
                target,
                Reader(),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=list(QUANTISED),
                per_channel=True,
                activation_type=QuantType.QInt8,
                weight_type=QuantType.QInt8,
                extra_options={
                    'ActivationSymmetric': True,
                    'WeightSymmetric': True,
                    'QuantizeBias': False,
                },
            )
            return target.read_bytes()
    except Exception as error:  # any of its own
        line = ' '.join(str(error).split())[:160]
        raise ModelPackageError(f'this network cannot be quantised: {line}') from error
    finally:
        root.setLevel(level)
