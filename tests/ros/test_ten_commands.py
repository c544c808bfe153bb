"""The last two of the ten commands of docs/transfer_learning.md, with the bundled package."""

import importlib.util
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from std_msgs.msg import Float32

from alexnet_ros.synthetic.drive import drive_frames
from tests.ros.robot import DEADLINE_S, ROOT, Bench, NodeProcess, make_image
from tests.ros.test_classifier_launch import RUN
from tests.test_ten_commands import commands

MADE, BUNDLED = 'build/models/heading', 'models/heading'


def test_the_demo_steers_with_the_model(tmp_path: Path) -> None:
    line = commands()[8]
    assert line == f'make demo MODEL={MADE}'
    words = shlex.split(line.replace(MADE, BUNDLED))
    own = [f'RUN={Path(sys.executable).parent}', 'SET_UP=:']  # what runs this test is set up
    done = subprocess.run(
        [*words, *own, f'ARGS=--speed 2 --output {tmp_path}'],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=4 * DEADLINE_S,
    )
    assert done.returncode == 0, done.stderr
    assert "all stamps equal the input's" in done.stdout
    assert 'heading' in done.stdout


def test_the_launch_steers_by_what_the_camera_sees(
    bench: Bench, start_node: Callable[..., NodeProcess]
) -> None:
    python, ros2, launch, file, *words = shlex.split(commands()[9].replace(MADE, BUNDLED))
    assert (python, ros2, launch) == ('python', '$(command -v ros2)', 'launch')
    given = dict(word.split(':=') for word in words)
    headings = bench.listen(Float32, '/sign_navigator/heading')
    camera = bench.camera(given['image_topic'])
    started = None
    if importlib.util.find_spec('launch_ros'):
        started = subprocess.Popen([sys.executable, '-c', RUN, str(ROOT / file), *words], cwd=ROOT)
    else:  # the two nodes that the launch file starts, as it starts them
        config = ROOT / 'config'
        start_node(
            *('--params-file', str(config / 'classifier.param.yaml')),
            *('-r', '__node:=alexnet', '-r', f'image:={given["image_topic"]}'),
            model=given['model'],
            autostart=True,
        )
        start_node(
            *('--params-file', str(config / 'navigation.param.yaml')),
            *('-r', 'classification:=alexnet/classification'),
            *('-r', 'label_info:=alexnet/label_info'),
            module='alexnet_ros.ros.sign_navigator_node',
            actions=given['actions'],
        )
    frame = next(iter(drive_frames(size_wh=(640, 360), duration_s=0.2, seed=51))).image_rgb
    try:
        # the left edge of the frame is what a robot sees that points too far left
        for left_px, turn in ((0, 1.0), (320, -1.0)):
            view = np.ascontiguousarray(frame[-320:, left_px : left_px + 320])

            def steered(view: np.ndarray = view, turn: float = turn) -> bool:
                message = make_image((0, 0, 0), 0, size_wh=(320, 320))
                message.header.stamp = bench.node.get_clock().now().to_msg()
                message.data = view.tobytes()
                camera.publish(message)
                bench.spin_for(0.1)
                return bool(len(headings)) and turn * headings.last.data > 0.5

            bench.until(f'the heading is {turn:+.0f}', steered)
    finally:
        if started is not None:
            started.send_signal(signal.SIGINT)
            assert started.wait(DEADLINE_S) == 0
