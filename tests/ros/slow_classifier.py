"""The classifier with an engine that is slow to load, hangs or loses its device."""

import os
import sys
import time
from pathlib import Path
from typing import Any

from alexnet_ros.errors import EngineFatalError
from alexnet_ros.recognizer import Recognizer
from alexnet_ros.ros.classifier_node import main

HOW = os.environ['SLOW']
open_recognizer = Recognizer.open


def slow_open(*args: Any, **options: Any) -> Recognizer:
    recognizer = open_recognizer(*args, **options)
    if HOW == 'load':
        print('loading slowly', flush=True)
        loaded = Path(os.environ.get('LOADED', '/no such file'))
        while not loaded.exists():
            time.sleep(0.05)
        return recognizer
    recognizer.engine.infer = broken_infer
    return recognizer


def broken_infer(*_args: Any, **_options: Any) -> Any:
    if HOW == 'fatal':
        raise EngineFatalError('illegal address')
    time.sleep(3600.0)


if __name__ == '__main__':
    Recognizer.open = slow_open
    sys.exit(main())
