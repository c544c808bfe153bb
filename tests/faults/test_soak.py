"""The short form of ``make soak``, and its judgement."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from tests.faults.faults import fault
from tests.ros.robot import ROOT
from tools import soak


@pytest.mark.slow
@fault(
    'soak',
    'two minutes',
    'good and bad images, cameras that come and go, 20 cycles, parameters, '
    'a neighbour that eats memory',
    'memory, files and threads as at the start, every image answered',
)
def test_short_soak_finds_nothing_growing() -> None:
    done = subprocess.run(
        [sys.executable, 'tools/soak.py', '--minutes', '2', '--cycles', '20'],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=3600,
        check=False,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]


@pytest.mark.parametrize(
    ('growth_mib', 'files', 'threads', 'good'),
    [
        (0.0, 0, 0, True),
        (4.0, 0, 0, True),
        (12.0, 0, 0, False),
        (0.0, 30, 0, False),
        (0.0, 0, 2, False),
    ],
)
@fault(
    'soak',
    'its judgement',
    'an hour of invented samples with and without growth',
    'a leak above 5 % an hour, lost files and threads are told from noise',
)
def test_leaks_are_told_from_noise(
    growth_mib: float, files: int, threads: int, good: bool
) -> None:
    random = np.random.default_rng(1)
    times_s = np.arange(0, 3600, 6.0)
    share = times_s / 3600
    watched = soak.Watched(
        'a node',
        SimpleNamespace(),
        list(times_s),
        {
            'memory (MiB)': list(120 + growth_mib * 2 * share + random.normal(0, 1, 600)),
            'files': list(np.round(40 + files * share)),
            'threads': list(np.round(12 + threads * share)),
        },
    )
    assert all(one.good for one in soak.judged(watched)) is good
