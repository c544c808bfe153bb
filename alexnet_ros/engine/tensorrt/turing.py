"""
Fully connected layers as 1x1 convolutions, for TensorRT for RTX on Turing.

TensorRT for RTX 1.7 has no FP32 matrix product for sm_75 ("FP32 GEMM is not
supported"), but it has the convolution, which over a 1x1 image is the same sum.
"""

from typing import Any

NEEDED_FOR = '7.5'


def convolve_products(trt: Any, network: Any) -> int:
    """
    Replace the FP32 products of a network's (N, K) by (K, M) layers.

    :param trt: the TensorRT module.
    :param network: changed in place.
    :returns: how many were replaced.
    """
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    outputs = {network.get_output(i).name for i in range(network.num_outputs)}
    replaced = 0
    for layer in layers:
        if layer.type != trt.LayerType.MATRIX_MULTIPLY:
            continue
        layer.__class__ = trt.IMatrixMultiplyLayer  # the bindings give the base class
        rows, weights = layer.get_input(0), layer.get_input(1)
        plain = layer.op0 == trt.MatrixOperation.NONE and len(rows.shape) == 2
        if not plain or len(weights.shape) != 2 or rows.dtype != trt.DataType.FLOAT:
            continue
        old = layer.get_output(0)
        new = _convolved(trt, network, rows, weights, layer.op1)
        for reader in layers:
            for index in range(reader.num_inputs):
                tensor = reader.get_input(index)
                if tensor is not None and tensor.name == old.name:
                    reader.set_input(index, new)
        if old.name in outputs:
            name = old.name
            network.unmark_output(old)
            old.name = f'{name}_product'
            new.name = name
            network.mark_output(new)
        replaced += 1
    return replaced


def _convolved(trt: Any, network: Any, rows: Any, weights: Any, operation: Any) -> Any:
    """Return (N, K) times (K, M), or times (M, K) transposed, as a convolution."""
    as_images = network.add_shuffle(rows)
    as_images.reshape_dims = (0, 0, 1, 1)  # (N, K) -> (N, K, 1, 1); 0 keeps the size
    kernel = network.add_shuffle(weights)
    inputs, count = tuple(weights.shape)
    if operation == trt.MatrixOperation.NONE:
        kernel.first_transpose = trt.Permutation([1, 0])  # (K, M) -> (M, K)
    else:
        inputs, count = count, inputs
    kernel.reshape_dims = (count, inputs, 1, 1)  # (M, K, 1, 1)
    product = network.add_convolution_nd(
        as_images.get_output(0), count, (1, 1), trt.Weights(), trt.Weights()
    )
    product.set_input(1, kernel.get_output(0))
    as_rows = network.add_shuffle(product.get_output(0))
    as_rows.reshape_dims = (0, 0)  # (N, M, 1, 1) -> (N, M)
    return as_rows.get_output(0)
