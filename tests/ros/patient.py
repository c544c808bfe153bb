"""
A node that has all the time it needs to end: ``python -m tests.ros.patient MODULE ...``.

The product gives a clean end up after a moment, which says something of the
machine. Tests of what a clean end leaves behind want the end that comes.
"""

import importlib
import sys

from alexnet_ros.ros import process

TIME_S = 120.0

if __name__ == '__main__':
    module = importlib.import_module(sys.argv.pop(1))
    process.EXIT_BOUND_S = TIME_S
    if hasattr(module, 'LAST_WORD_S'):
        module.LAST_WORD_S = TIME_S
    sys.exit(module.main())
