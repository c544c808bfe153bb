"""Whoever wants a ROS domain alone gets one, until all are taken."""

import subprocess
import sys

from tests.ros.robot import ROOT

CODE = """
import os
from alexnet_ros.errors import AlexnetRosError
from alexnet_ros.ros.clients import dds_check
first = 1000 * os.getpid()  # none of those that a demo may want meanwhile
dds_check.OWN_DOMAINS = range(first, first + 18)
found = []
try:
    while True:
        found.append(dds_check.own_domain())
except AlexnetRosError as error:
    print(sorted(found) == list(dds_check.OWN_DOMAINS), 'in use' in str(error))
"""


def test_no_two_get_the_same_domain() -> None:
    done = subprocess.run(
        [sys.executable, '-c', CODE], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ['True'] * 2
