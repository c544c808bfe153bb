"""
Run the nodes for long under good and bad input and judge what has grown.

Two classifier processes (two raw cameras; one compressed) and a navigator get
mixed good and broken images, cameras that come and go, configure and cleanup
cycles, changing parameters and a neighbour that eats memory. Resident memory,
file descriptors, threads and the time from image to result are sampled; the
last third is compared with the first after a warm-up, the time as a multiple of
what a question to the navigator took just before, so that a machine that gets
busier is no slower node. Exit status 1 means that something leaks, slows down or
died.
"""

import argparse
import math
import random
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

WARM_UP = 0.25  # share of the run that is not judged: pools, caches and DDS buffers fill
LEAK_PER_HOUR = 0.05  # growth of resident memory that is a leak
NOISE_MIB = 6.0  # what a run of minutes cannot tell from a leak
SLOWER = 2.0  # the last third's median multiple over the first's
FEWEST = 200  # samples from which that is judged: a run of minutes has too few
ANSWER_S = 20.0
SPARE_FILES = 3
NEIGHBOUR_MIB = 600
LARGE_WH = (1280, 720)
HUGE_WH = (3840, 2880)  # 31.6 MiB as RGB, a little less than glibc's 32 MiB


@dataclass
class Watched:
    """A process and its samples over time."""

    name: str
    node: Any
    times_s: list[float] = field(default_factory=list)
    values: dict[str, list[float]] = field(default_factory=dict)

    def sample(self, now_s: float) -> None:
        """Note memory, open files and threads."""
        folder = Path(f'/proc/{self.node.process.pid}')
        status = dict(line.split(':', 1) for line in (folder / 'status').read_text().splitlines())
        self.times_s.append(now_s)
        for key, value in (
            ('memory (MiB)', int(status['VmRSS'].split()[0]) / 1024),
            ('files', len(list((folder / 'fd').iterdir()))),
            ('threads', int(status['Threads'])),
        ):
            self.values.setdefault(key, []).append(value)


@dataclass
class Judgement:
    """What one figure did."""

    what: str
    first: float
    last: float
    allowed: float

    @property
    def good(self) -> bool:
        """Whether it stayed within what is allowed."""
        return self.last <= self.allowed

    def __str__(self) -> str:
        """Return one line."""
        return (
            f'{"ok  " if self.good else "FAIL"} {self.what}: {self.first:.1f} -> '
            f'{self.last:.1f}, allowed {self.allowed:.1f}'
        )


def thirds(times_s: list[float], values: list[float]) -> tuple[float, float, float]:
    """
    Compare the thirds of what follows the warm-up.

    :returns: median of the first and of the last third, and the hours between
        their middles.
    """
    start_s = times_s[0] + WARM_UP * (times_s[-1] - times_s[0])
    kept = [pair for pair in zip(times_s, values, strict=True) if pair[0] >= start_s]
    third = max(1, len(kept) // 3)
    first, last = kept[:third], kept[-third:]
    hours = (statistics.median(t for t, _ in last) - statistics.median(t for t, _ in first)) / 3600
    return statistics.median(v for _, v in first), statistics.median(v for _, v in last), hours


def judged(one: Watched) -> list[Judgement]:
    """Judge memory, files and threads of a process."""
    found = []
    for key, values in one.values.items():
        first, last, hours = thirds(one.times_s, values)
        spare: float = SPARE_FILES
        if key.startswith('memory'):
            spare = max(NOISE_MIB, LEAK_PER_HOUR * first * hours)
        elif key == 'threads':
            spare = 0
        found.append(Judgement(f'{one.name}: {key}', first, last, first + spare))
    return found


class Soak:
    """The robot around the nodes."""

    def __init__(self, folder: Path, turn_s: float) -> None:
        from sensor_msgs.msg import CompressedImage, Image
        from vision_msgs.msg import Classification

        from tests.models import tiny_package
        from tests.ros.robot import Bench, NodeProcess

        self.image, self.compressed = Image, CompressedImage
        self.random = random.Random(1)
        self.turn_s = turn_s
        self.bench = Bench()
        tiny_package(folder / 'model')
        words = ['-p', f'model:={folder / "model"}', '-p', 'autostart:=true', '-p', 'lazy:=false']
        self.raw = NodeProcess(
            [*words, '-r', '__node:=raw', '-p', 'cameras:=["front", "left"]'], {}
        )
        self.packed = NodeProcess(
            [*words, '-r', '__node:=packed', '-p', 'image_transport:=compressed'], {}
        )
        self.navigator = NodeProcess(
            ['-r', 'detections:=packed/detections'], {}, 'alexnet_ros.ros.sign_navigator_node'
        )
        self.watched = [
            Watched('classifier, raw', self.raw),
            Watched('classifier, compressed', self.packed),
            Watched('navigator', self.navigator),
        ]
        self.results = self.bench.listen(Classification, 'raw/front/classification')
        self.front = self.bench.camera('front/image')
        self.left: Any = None
        self.jpegs = self.bench.node.create_publisher(CompressedImage, 'image/compressed', 1)
        self.counts = {'good': 0, 'bad': 0, 'cycles': 0, 'parameters': 0, 'cameras': 0}
        self.jpeg = self.picture()

    def picture(self, kind: str = 'jpg', size_wh: tuple[int, int] = (160, 120)) -> bytes:
        """Return a red picture, encoded."""
        import cv2
        import numpy as np

        pixels = np.full((size_wh[1], size_wh[0], 3), (0, 0, 255), np.uint8)
        return bytes(cv2.imencode(f'.{kind}', pixels)[1])

    def warm_up(self) -> None:
        """
        Send large images to both classifiers before anything is measured.

        A bit flipped in a JPEG's size may make a large image at any time. With
        the first one OpenCV starts its threads, and glibc keeps more of what is
        freed, up to twice its ``DEFAULT_MMAP_THRESHOLD_MAX`` of 32 MiB: once,
        and no leak.
        """
        data = self.picture('png', HUGE_WH)  # a JPEG would be decoded at an eighth of its size
        for _ in range(20):
            image = self.bench.image(size_wh=LARGE_WH)
            self.front.publish(image)
            self.jpegs.publish(self.compressed(header=image.header, format='png', data=data))
            self.bench.spin_for(self.turn_s)

    def broken(self) -> Any:
        """Return an image that must be refused."""
        image = self.bench.image()
        change = self.random.choice(
            [
                {'data': b'\0' * 10},
                {'width': 0},
                {'encoding': '32FC1'},
                {'step': 1},
                {'encoding': 'no such'},
                {'height': 2**31},
                {'data': b''},
            ]
        )
        for name, value in change.items():
            setattr(image, name, value)
        return image

    def turn(self) -> None:
        """Send one round of images and take what came back."""
        if self.random.random() < 0.7:
            image = self.bench.image()
            self.counts['good'] += 1
        else:
            image = self.broken()
            self.counts['bad'] += 1
        self.front.publish(image)
        if self.left is not None:
            self.left.publish(self.bench.image((0, 255, 0), size_wh=(320, 240)))
        data = bytearray(self.jpeg)
        if self.random.random() < 0.4:
            for _ in range(self.random.randint(1, 6)):
                data[self.random.randrange(len(data))] ^= 1 << self.random.randrange(8)
            self.counts['bad'] += 1
            if self.random.random() < 0.3:
                del data[self.random.randrange(len(data)) :]
        else:
            self.counts['good'] += 1
        packed = self.compressed(format='jpeg', data=bytes(data))
        packed.header.stamp = self.bench.node.get_clock().now().to_msg()
        self.jpegs.publish(packed)
        self.bench.spin_for(self.turn_s)
        self.results.messages.clear()

    def answer(self) -> tuple[float, float]:
        """
        Ask the navigator for its parameters, then send one good image by itself.

        :returns: milliseconds to either answer; NaN where the image has none.
        """
        from rcl_interfaces.srv import ListParameters

        start_s = time.monotonic()
        self.bench.call(ListParameters, 'sign_navigator/list_parameters')
        asked_s = time.monotonic()
        self.results.messages.clear()
        image = self.bench.image()
        self.front.publish(image)
        stamp = image.header.stamp.sec
        while time.monotonic() < asked_s + ANSWER_S:
            self.bench.executor.spin_once(timeout_sec=0.01)
            if any(one.header.stamp.sec == stamp for one in self.results.messages):
                return (asked_s - start_s) * 1e3, (time.monotonic() - asked_s) * 1e3
        return (asked_s - start_s) * 1e3, math.nan

    def cycle(self, name: str) -> None:
        """Take a classifier down to unconfigured and up again."""
        from lifecycle_msgs.msg import Transition
        from lifecycle_msgs.srv import ChangeState

        for number in (4, 2, 1, 3):  # deactivate, cleanup, configure, activate
            request = ChangeState.Request(transition=Transition(id=number))
            if not self.bench.call(ChangeState, f'{name}/change_state', request).success:
                raise RuntimeError(f'{name}: transition {number} failed')
        self.counts['cycles'] += 1

    def parameter(self) -> None:
        """Change a live parameter, now and then to what must be refused."""
        from rcl_interfaces.srv import SetParameters
        from rclpy.parameter import Parameter

        value = self.random.choice([0.0, 0.1, 0.2, 7.0])
        request = SetParameters.Request(
            parameters=[Parameter('score_threshold', value=value).to_parameter_msg()]
        )
        (result,) = self.bench.call(SetParameters, 'raw/set_parameters', request).results
        if result.successful == (value > 1.0):
            raise RuntimeError(f'score_threshold {value}: {result}')
        self.counts['parameters'] += 1

    def swap_camera(self) -> None:
        """Let the second camera come or go."""
        if self.left is None:
            self.left = self.bench.camera('left/image')
        else:
            self.bench.node.destroy_publisher(self.left)
            self.left = None
        self.counts['cameras'] += 1

    def standing(self, answers: list[tuple[float, float]]) -> str:
        """Return how it stands: what was done, memory of each process, the last answer."""
        done = ', '.join(f'{count} {name}' for name, count in self.counts.items())
        memory = '/'.join(
            f'{one.values["memory (MiB)"][-1]:.0f}' for one in self.watched if one.values
        )
        last = next((f'{ms:.0f} ms' for _, ms in answers[-1:] if not math.isnan(ms)), 'none')
        return f'{done}, memory {memory or "?"} MiB, last answer {last}'

    def close(self) -> None:
        """End everything."""
        for one in self.watched:
            one.node.close()
        self.bench.close()


def run(soak: Soak, minutes: float, cycles: int) -> list[tuple[float, float]]:
    """
    Do everything for so long.

    :returns: milliseconds of single answers, as :meth:`Soak.answer` gives them.
    """
    from lifecycle_msgs.srv import GetState

    from tools.progress import Progress

    for name in ('raw', 'packed'):
        soak.bench.until(
            f'{name} is active',
            lambda name=name: (
                soak.bench.call(GetState, f'{name}/get_state').current_state.label == 'active'
            ),
        )
    soak.warm_up()
    start_s = time.monotonic()
    length_s = minutes * 60
    next_s = dict.fromkeys(('cycle', 'parameter', 'camera', 'neighbour', 'sample'), start_s)
    every_s = {
        'cycle': length_s / cycles,
        'parameter': 1.5,
        'camera': 4.0,
        'neighbour': min(60.0, length_s / 4),
        'sample': max(1.0, length_s / 600),
    }
    neighbour: subprocess.Popen[bytes] | None = None
    answers: list[tuple[float, float]] = []
    with Progress('soak', length_s) as progress:
        while (now_s := time.monotonic()) < start_s + length_s:
            soak.turn()
            progress.show(soak.standing(answers))
            due = [name for name, at_s in next_s.items() if now_s >= at_s]
            for name in due:
                next_s[name] += every_s[name]
            if 'cycle' in due:
                soak.cycle('raw' if soak.counts['cycles'] % 2 else 'packed')
            if 'parameter' in due:
                soak.parameter()
            if 'camera' in due:
                soak.swap_camera()
            if 'neighbour' in due:
                if neighbour is not None:
                    neighbour.wait()
                eat = f'import time; held = b"x" * ({NEIGHBOUR_MIB} << 20); time.sleep(5)'
                neighbour = subprocess.Popen([sys.executable, '-c', eat])
            if 'sample' in due:
                answers.append(soak.answer())
                for one in soak.watched:
                    if not one.node.alive():
                        raise RuntimeError(f'{one.name} ended:\n{one.node.log[-2000:]}')
                    one.sample(time.monotonic())
    if neighbour is not None:
        neighbour.wait()
    return answers


def verdict(soak: Soak, answers: list[tuple[float, float]]) -> list[Judgement]:
    """Judge all processes, and that images were answered."""
    found = [judgement for one in soak.watched for judgement in judged(one)]
    known = [pair for pair in answers if not math.isnan(pair[1])]
    if len(known) >= FEWEST:
        third = len(known) // 3
        first, last = (
            statistics.median(ms / asked_ms for asked_ms, ms in part)
            for part in (known[:third], known[-third:])
        )
        found.append(
            Judgement('image to result, in times of a question', first, last, SLOWER * first)
        )
    lost = len(answers) - len(known)
    found.append(Judgement('images of the samples without a result', 0, lost, len(answers) / 10))
    return found + [
        Judgement(f'{one.name}: tracebacks', 0, one.node.log.count('Traceback'), 0)
        for one in soak.watched
    ]


def main() -> int:
    """Soak, print the verdict."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--minutes', type=float, default=60.0)
    parser.add_argument('--cycles', type=int, default=200, help='configure and cleanup cycles')
    parser.add_argument('--turn-ms', type=float, default=40.0, help='between rounds of images')
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(Path(folder), args.turn_ms / 1e3)
        try:
            answers = run(soak, args.minutes, args.cycles)
            found = verdict(soak, answers)
            codes = {one.name: one.node.stop() for one in soak.watched}
        finally:
            soak.close()
    found += [Judgement(f'{name}: exit status', 0, abs(code), 0) for name, code in codes.items()]
    print(', '.join(f'{count} {name}' for name, count in soak.counts.items()))
    for one in found:
        print(one)
    good = all(one.good for one in found)
    print('verdict: ' + ('nothing leaks or slows down' if good else 'NOT as required'))
    return 0 if good else 1


if __name__ == '__main__':
    sys.exit(main())
