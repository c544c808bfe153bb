"""Lets ``python -m alexnet_ros`` be the command."""

import sys

from alexnet_ros.cli.main import main

sys.exit(main())
