import importlib.util

import pytest


def test_training_can_be_tested_here() -> None:
    if importlib.util.find_spec('torch') is None:
        pytest.skip('torch is not installed (make set-up-train): training is not tested')
