"""The launch file of the classifier, started as users start it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from vision_msgs.msg import Classification

from alexnet_ros.ros.classifier_node import EXIT_FATAL
from tests.faults import faulty_classifier as faulty
from tests.ros.robot import DEADLINE_S, ROOT, Bench, make_image
from tests.ros.test_classifier_launch import RUN

FAULTY = 'tests.faults.faulty_classifier'


class Launched:
    """
    The launch file of the classifier at work, with the faulty node as its program.

    :param folder: for a stand-in of the installed package, parameters and the log.
    """

    def __init__(self, bench: Bench, folder: Path, model: Path, *words: str) -> None:
        program = folder / 'lib' / 'alexnet_ros' / 'classifier'
        program.parent.mkdir(parents=True)
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m {FAULTY} "$@"\n')
        program.chmod(0o755)
        index = folder / 'share' / 'ament_index' / 'resource_index' / 'packages'
        index.mkdir(parents=True)
        (index / 'alexnet_ros').touch()
        parameters = folder / 'parameters.yaml'
        parameters.write_text(
            '/**:\n  ros__parameters:\n    lazy: false\n    inference_timeout_s: 5.0\n'
            f'    bond: {str("bond" in words).lower()}\n'
        )
        self._log = folder / 'log'
        prefixes = f'{folder}{os.pathsep}{os.environ.get("AMENT_PREFIX_PATH", "")}'
        with self._log.open('w') as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    '-c',
                    RUN,
                    str(ROOT / 'launch' / 'classifier.launch.py'),
                    f'model:={model}',
                    f'params_file:={parameters}',
                    'use_respawn:=true',
                    *(word for word in words if ':=' in word),
                ],
                cwd=ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, 'AMENT_PREFIX_PATH': prefixes},
            )
        self.bench = bench
        self.results = bench.listen(Classification, 'alexnet/classification')
        self.camera = bench.camera()

    @property
    def log(self) -> str:
        return self._log.read_text()

    def answers(self) -> None:
        self.bench.until_answered(self.camera, self.results)

    def hang(self) -> None:
        """Send the image that is never done, and see the process end."""
        self.camera.publish(make_image(faulty.HANGS, 1))
        self.bench.until('it ends for a respawn', lambda: f'exit code {EXIT_FATAL}' in self.log)

    def stop(self) -> None:
        """End launch as Ctrl-C does; the second node must be the last one."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(DEADLINE_S)
        assert self.log.count('process started with pid') == 2, self.log
        assert 'process has finished cleanly' in self.log, self.log

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
