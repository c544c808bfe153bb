"""No process outlives the one that started it, however that one ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from alexnet_ros.parent import VARIABLE, child_environment

CHILD = (
    'import time; from alexnet_ros.parent import end_with_parent; end_with_parent(); '
    'print("ready", flush=True); time.sleep(600)'
)
PARENT = f"""
import signal, subprocess, sys, time
for number in (signal.SIGHUP, signal.SIGTERM):  # nohup hands "ignore" down
    signal.signal(number, signal.SIG_DFL)
from alexnet_ros.cli.guard import guarded
from alexnet_ros.parent import child_environment

def job():
    child = subprocess.Popen([sys.executable, '-c', {CHILD!r}], stdout=subprocess.PIPE,
                             env=child_environment(), start_new_session=True)
    child.stdout.readline()
    try:
        print(child.pid, flush=True)
        time.sleep(600)
    finally:
        print('unwound', flush=True)

sys.exit(guarded('test', job))
"""
DEADLINE_S = 300.0


def alive(pid: int) -> bool:
    try:
        with Path(f'/proc/{pid}/stat').open() as file:
            return file.read().rsplit(')', 1)[1].split()[0] != 'Z'
    except (FileNotFoundError, ProcessLookupError):  # it may end while it is read
        return False


@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='prctl is of Linux')
@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL, signal.SIGINT])
def test_child_ends_with_its_parent(number: signal.Signals) -> None:
    parent = subprocess.Popen([sys.executable, '-c', PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert alive(pid)
    parent.send_signal(number)
    said, _ = parent.communicate(timeout=DEADLINE_S)
    if number != signal.SIGKILL:
        assert 'unwound' in said
        assert parent.returncode == (130 if number == signal.SIGINT else 128 + number)
    end = time.monotonic() + DEADLINE_S
    while alive(pid) and time.monotonic() < end:
        time.sleep(0.05)
    assert not alive(pid)


def test_child_whose_parent_is_gone_already_ends_at_once() -> None:
    gone = subprocess.run(
        [sys.executable, '-c', 'import os; print(os.getpid())'], capture_output=True, check=True
    )
    env = {**child_environment(), VARIABLE: gone.stdout.decode().strip()}
    done = subprocess.run([sys.executable, '-c', CHILD], env=env, timeout=DEADLINE_S, check=False)
    assert done.returncode == -signal.SIGTERM


def test_process_of_a_shell_is_left_alone() -> None:
    env = {key: value for key, value in os.environ.items() if key != VARIABLE}
    code = CHILD.replace('time.sleep(600)', 'time.sleep(0)')
    done = subprocess.run([sys.executable, '-c', code], env=env, timeout=DEADLINE_S, check=False)
    assert done.returncode == 0
