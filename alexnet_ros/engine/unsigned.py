"""
Values that are never negative, in eight bits without a sign.

TensorRT takes symmetric INT8 alone, so a package's Q/DQ pairs have the int8 zero.
On a CPU half of that range is lost behind a ReLU, and the ReLU itself costs a pass
over the values in float32 and back. With the uint8 zero in place of the int8 one,
and the same step, rounding is the ReLU: ONNX Runtime and OpenVINO then keep the
whole chain in integers. The exporter gives all such pairs a zero of their own, so
one byte of the file makes the difference.
"""

ZERO = 'positive_zero'  # name of the int8 zero of all values that are not negative


def _tensor(element_type: int) -> bytes:
    """Return that zero as in the file: TensorProto fields data_type, name and raw_data."""
    name = ZERO.encode()
    return bytes([0x10, element_type, 0x42, len(name)]) + name + b'\x4a\x01\x00'


def unsigned(onnx: bytes) -> bytes:
    """Return a model file whose values behind a ReLU are uint8; others come back as they are."""
    return onnx.replace(_tensor(3), _tensor(2), 1)  # TensorProto.INT8, TensorProto.UINT8
