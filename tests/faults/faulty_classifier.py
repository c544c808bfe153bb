"""
The real classifier whose engine fails on certain colours and callback on a word.

The colour of the first region in a batch chooses what fails, so a test can make
one process fail, hang and recover by what it sends.
"""

import sys
import time
from dataclasses import replace
from typing import Any

import numpy as np
import onnxruntime
from std_msgs.msg import String

from alexnet_ros.errors import EngineFatalError, EngineRunError
from alexnet_ros.recognizer import Recognizer
from alexnet_ros.ros.classifier_node import ClassifierNode
from alexnet_ros.ros.process import run_node

NAN, INFINITE, FAILS, SURPRISE, HANGS, LOST = (
    (200, 0, 200),
    (210, 0, 210),
    (200, 200, 0),
    (0, 200, 200),
    (10, 20, 30),
    (30, 20, 10),
)


class FaultyEngine:
    """Stands before the real engine."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def infer(self, batch_nhwc: Any, **options: Any) -> Any:
        colour = tuple(int(value) for value in batch_nhwc[0].reshape(-1, 3).mean(0).round())
        outputs = self._engine.infer(batch_nhwc, **options)
        if colour in {NAN, INFINITE}:
            value = np.nan if colour == NAN else np.inf
            return replace(outputs, logits=np.full_like(outputs.logits, value))
        if colour == FAILS:
            raise EngineRunError('out of memory')
        if colour == SURPRISE:
            raise ValueError('unforeseen')
        if colour == LOST:
            raise EngineFatalError('illegal address')
        if colour == HANGS:
            time.sleep(600.0)
        return outputs


class FaultyClassifier(ClassifierNode):
    """Has one more topic, whose callback raises."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.create_subscription(String, 'boom', self._boom, 10)

    def _boom(self, message: String) -> None:
        raise RuntimeError(message.data)


def _open(*args: Any, **options: Any) -> Recognizer:
    recognizer = real_open(*args, **options)
    recognizer.engine = FaultyEngine(recognizer.engine)
    return recognizer


def _session(*args: Any, **options: Any) -> Any:
    print('a network is loaded', flush=True)
    return real_session(*args, **options)


if __name__ == '__main__':
    real_open, Recognizer.open = Recognizer.open, _open
    real_session, onnxruntime.InferenceSession = onnxruntime.InferenceSession, _session
    sys.exit(run_node(FaultyClassifier))
