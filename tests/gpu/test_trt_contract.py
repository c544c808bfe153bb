"""The contract of every engine, on a real GPU."""

import pytest

from tests.engine_contract import EngineContract, package_fixture
from tests.gpu.conftest import OpenTensorRt

__all__ = ['package_fixture']


class TestTensorRt(EngineContract):
    # FP32 runs as TF32 on Ampere and newer: 10 bits of mantissa, logits up to 60.
    tolerance = 0.2

    @pytest.fixture(autouse=True)
    def _name_backend(self, flavour: str) -> None:
        self.backend = flavour

    @pytest.fixture
    def open_engine(self, open_tensorrt_engine: OpenTensorRt) -> OpenTensorRt:
        return open_tensorrt_engine
