"""
The whole node measured: cameras on one side, results on the other.

``alexnet_ros bench`` runs this file, here or where it is installed. Each
scenario runs as a process of its own, because a DDS profile is read once in the
life of a process. That process starts the classifier as another one, publishes
images on a schedule, and prints one JSON object: what was sent, what came back,
and how long each took from its stamp to the arrival of the result.
"""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy, qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage, Image
from vision_msgs.msg import Classification

from alexnet_ros.bags.typestore import stamp_ns_of
from alexnet_ros.parent import child_environment, end_with_parent
from alexnet_ros.ros.clients.control import NodeControlError, NodeProcess
from alexnet_ros.ros.clients.dds_check import VARIABLES, profile_environment
from alexnet_ros.ros.clients.session import Session
from alexnet_ros.ros.process import reuse_memory

SIZES = ((640, 480), (1280, 720), (1920, 1080))
RUN_S = 240.0  # longest time of one scenario
START_S = 60.0  # longest wait for the node to load its model
SETTLE_S = 1.5  # frames before the measurement, for discovery and caches
HOG = 'from alexnet_ros.parent import end_with_parent; end_with_parent()\nwhile True: pass'
IDLE_S = 3.0
DRAIN_S = 1.0  # wait for the last results


@dataclass(frozen=True)
class Scenario:
    """
    What is sent and for how long.

    :param parameters: ROS parameters of the classifier.
    :param hogs: processes that keep a core busy meanwhile.
    :param idle: measure what the node costs without images, too.
    :param profile: with the shipped Fast DDS profile.
    """

    name: str
    model: str
    width: int = 640
    height: int = 480
    rate_hz: float = 30.0
    cameras: int = 1
    compressed: bool = False
    seconds: float = 5.0
    hogs: int = 0
    idle: bool = False
    profile: bool = True
    parameters: dict[str, Any] = dataclasses.field(default_factory=dict)


class Bench:
    """Publishes images of all cameras and notes when their results arrive."""

    def __init__(self, scenario: Scenario, node: Node) -> None:
        self.scenario = scenario
        self.names = _camera_names(scenario.cameras)
        self.arrived_ns: dict[str, dict[int, int]] = {name: {} for name in self.names}
        quality = QoSProfile(depth=200, reliability=ReliabilityPolicy.BEST_EFFORT)
        kind, suffix = (CompressedImage, '/compressed') if scenario.compressed else (Image, '')
        self.cameras = []
        for name in self.names:
            base = f'{name}/' if name else ''
            topic = f'{base}image{suffix}'
            self.cameras.append(node.create_publisher(kind, topic, qos_profile_sensor_data))
            node.create_subscription(
                Classification,
                f'/alexnet/{base}classification',
                lambda message, name=name: self._on_result(name, message),
                quality,
            )
        self.stages: dict[str, str] = {}  # of the node's newest diagnostics
        node.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 10)
        self.messages = [_messages(scenario, seed) for seed in range(scenario.cameras)]

    def _on_result(self, name: str, message: Classification) -> None:
        now_ns = time.time_ns()
        self.arrived_ns[name].setdefault(stamp_ns_of(message.header), now_ns)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self.stages |= {one.key: one.value for one in status.values if '(ms)' in one.key}

    def send(self, count: int) -> tuple[list[int], float]:
        """Publish ``count`` frames a camera on schedule; return stamps, ns, and the rate, Hz."""
        stamps = []
        period_s = 1.0 / self.scenario.rate_hz
        start = time.perf_counter()
        for index in range(count):
            rest = start + index * period_s - time.perf_counter()
            if rest > 0:
                time.sleep(rest)
            for camera, messages in zip(self.cameras, self.messages, strict=True):
                message = messages[index % len(messages)]
                now_ns = time.time_ns()
                message.header.stamp.sec, message.header.stamp.nanosec = divmod(now_ns, 10**9)
                camera.publish(message)
                stamps.append(now_ns)
        return stamps, count / (time.perf_counter() - start)


def _camera_names(count: int) -> list[str]:
    return [''] if count == 1 else [f'camera{index}' for index in range(count)]


def _messages(scenario: Scenario, seed: int, count: int = 4) -> list[Any]:
    """Return some different frames of textured noise, as a camera would send them."""
    random = np.random.default_rng(seed)
    made: list[Any] = []
    for _ in range(count):
        coarse = random.integers(0, 255, (scenario.height // 16, scenario.width // 16, 3))
        size_wh = (scenario.width, scenario.height)
        image = cv2.resize(coarse.astype(np.uint8), size_wh, interpolation=cv2.INTER_CUBIC)
        if scenario.compressed:
            message: Any = CompressedImage(format='jpeg')
            message.data = array('B', cv2.imencode('.jpg', image)[1].tobytes())
        else:
            message = Image(
                width=scenario.width,
                height=scenario.height,
                encoding='rgb8',
                step=scenario.width * 3,
                is_bigendian=0,
            )
            message.data = array('B', image.tobytes())
        message.header.frame_id = f'camera{seed}_optical'
        made.append(message)
    return made


def measure(scenario: Scenario) -> dict[str, Any]:
    """Start the node, send the frames, and sum up what came back."""
    parameters = {
        'model': scenario.model,
        'autostart': True,
        'image_transport': 'compressed' if scenario.compressed else 'raw',
        **({'cameras': _camera_names(scenario.cameras)} if scenario.cameras > 1 else {}),
        **scenario.parameters,
    }
    module, name = 'alexnet_ros.ros.classifier_node', 'alexnet'
    began = time.perf_counter()
    hogs: list[subprocess.Popen[bytes]] = []
    try:
        with (
            tempfile.TemporaryDirectory() as scratch,
            Session('alexnet_bench', executor='auto') as session,
            NodeProcess(module, name, parameters=parameters, log=Path(scratch) / 'log') as child,
        ):
            bench = Bench(scenario, session.node)
            hog = [sys.executable, '-c', HOG]
            hogs += [subprocess.Popen(hog, env=child_environment()) for _ in range(scenario.hogs)]
            _wait_for_results(bench, child)
            first_result_s = time.perf_counter() - began
            bench.send(max(5, round(SETTLE_S * scenario.rate_hz)))
            cpu_start, wall_start = _cpu_s(child.pid), time.perf_counter()
            stamps, kept_hz = bench.send(round(scenario.seconds * scenario.rate_hz))
            time.sleep(DRAIN_S)
            cpu_s, wall_s = _cpu_s(child.pid) - cpu_start, time.perf_counter() - wall_start
            rss_mb = _rss_mb(child.pid)
            row = _summary(
                bench, stamps, kept_hz=kept_hz, cpu_s=cpu_s, wall_s=wall_s, rss_mb=rss_mb
            )
            row['first_result_s'] = round(first_result_s, 2)
            if scenario.idle:  # no camera sends
                cpu_start, wall_start = _cpu_s(child.pid), time.perf_counter()
                time.sleep(IDLE_S)
                idle_cores = (_cpu_s(child.pid) - cpu_start) / (time.perf_counter() - wall_start)
                row['idle_cpu_cores'] = round(idle_cores, 4)
            return row
    finally:
        for one in hogs:
            one.kill()
            one.wait()


def _wait_for_results(bench: Bench, child: NodeProcess) -> None:
    """Send single frames until every camera has its first result."""
    end = time.perf_counter() + START_S
    while not all(bench.arrived_ns.values()):
        child.check()
        if time.perf_counter() > end:
            raise NodeControlError(f'the classifier gave no result within {START_S:.0f} s')
        bench.send(1)
        time.sleep(0.1)


def _summary(
    bench: Bench, stamps: list[int], *, kept_hz: float, cpu_s: float, wall_s: float, rss_mb: float
) -> dict[str, Any]:
    sent = set(stamps)
    latency_ms = sorted(
        (arrived - stamp) / 1e6
        for results in bench.arrived_ns.values()
        for stamp, arrived in results.items()
        if stamp in sent
    )
    row: dict[str, Any] = {
        'name': bench.scenario.name,
        'sent': len(stamps),
        'results': len(latency_ms),
        'delivered': round(len(latency_ms) / len(stamps), 4),
        'sent_hz': round(kept_hz, 1),
        'results_hz': round(len(latency_ms) / (wall_s - DRAIN_S), 1),
        'cpu_ms_per_result': round(1e3 * cpu_s / max(1, len(latency_ms)), 2),
        'cpu_cores': round(cpu_s / wall_s, 3),
        'rss_mb': round(rss_mb, 1),
    }
    for percent in (50, 95, 99):
        value = float(np.percentile(latency_ms, percent)) if latency_ms else float('inf')
        row[f'latency_p{percent}_ms'] = round(value, 2)
    engine_ms = float(bench.stages.get('engine p50 (ms)', 'nan'))
    row['engine_p50_ms'] = round(engine_ms, 2)
    row['over_engine_p95_ms'] = round(row['latency_p95_ms'] - engine_ms, 2)
    return row


def _cpu_s(pid: int) -> float:
    """Return the processor time of a process so far, seconds (proc(5), fields 14 and 15)."""
    fields = Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def _rss_mb(pid: int) -> float:
    """Return the resident memory of a process, 10^6 bytes (proc(5), statm)."""
    pages = int(Path(f'/proc/{pid}/statm').read_text().split()[1])
    return pages * os.sysconf('SC_PAGE_SIZE') / 1e6


def scenarios(model: str, slow_model: str | None, seconds: float) -> Iterator[Scenario]:
    """
    Yield every scenario.

    :param slow_model: a model so slow that a camera can outrun it ten times
        over, for the overload; None leaves that out.
    """
    common = Scenario('640x480 raw', model, seconds=seconds)

    def like(name: str, **values: Any) -> Scenario:
        return dataclasses.replace(common, name=name, **values)

    for width, height in SIZES:
        for compressed in (False, True):
            name = f'{width}x{height} {"jpeg" if compressed else "raw"}'
            size = {'width': width, 'height': height, 'compressed': compressed}
            first = name == common.name
            yield like(name, **size, idle=first)
            if compressed or first:
                yield like(f'4 cameras {name}', **size, cameras=4)
    yield like('2 cameras 640x480 raw', cameras=2)
    yield like('640x480 raw, default DDS profile', profile=False)
    yield like('640x480 raw, single-threaded executor', parameters={'executor': 'single'})
    yield like('640x480 raw, sign mode', parameters={'regions': 'signs'})
    yield like('640x480 raw, two busy processes beside it', hogs=2)
    if slow_model is not None:
        size = {'width': 320, 'height': 240, 'rate_hz': 400.0}
        yield like('320x240 raw at 400 Hz into a slow network', **size, model=slow_model)


def measured_apart(scenario: Scenario) -> None:
    """Print the row of one scenario, or on standard error why there is none."""
    print(f'measuring: node, {scenario.name}', file=sys.stderr)
    environment = {**child_environment(), **profile_environment(40 + os.getpid() % 60)}
    if not scenario.profile:
        environment = {k: v for k, v in environment.items() if k not in VARIABLES}
    words = [sys.executable, __file__, '--one', json.dumps(dataclasses.asdict(scenario))]
    try:
        done = subprocess.run(
            words, env=environment, capture_output=True, text=True, timeout=RUN_S, check=False
        )
        lines = (done.stderr if done.returncode else done.stdout).strip().splitlines()
        last = lines[-1] if lines else 'no reason given'
    except subprocess.TimeoutExpired as error:
        last, done = str(error), None
    if done is not None and not done.returncode:
        print(json.dumps({'group': 'node', **json.loads(last)}), flush=True)
    else:
        print(f'{scenario.name}: {last}', file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description='Measure the whole node, one JSON object a row.')
    parser.add_argument('--model', default='signs')
    parser.add_argument('--slow-model', help='slow model package, for the overload scenario')
    parser.add_argument('--seconds', type=float, default=5.0, help='duration of each run')
    parser.add_argument('--one', help='fields of one scenario, as JSON, to run in this process')
    args = parser.parse_args()
    end_with_parent()
    if args.one:
        reuse_memory()  # as a camera's driver does, which fills the same buffers again
        print(json.dumps(measure(Scenario(**json.loads(args.one)))))
        return
    for scenario in scenarios(args.model, args.slow_model, args.seconds):
        measured_apart(scenario)


if __name__ == '__main__':
    main()
