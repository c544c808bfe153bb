"""Things in the form of a sign that are none, to the bundled model and the navigator."""

import time
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.time import Time
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray

from alexnet_ros.synthetic.scene import PlacedSign, Pose, Scene
from tests.faults.faults import fault, mutations
from tests.ros.navigator_bench import LIMIT_30, Ears
from tests.ros.robot import ROOT, Bench, NodeProcess, stamp_ns

SIZE_WH = (640, 480)
RED, BLUE, GREEN, YELLOW = (200, 20, 30), (20, 70, 180), (20, 140, 60), (240, 200, 20)
BLACK, WHITE = (15, 15, 15), (240, 240, 240)
FORMS = {
    'disc': (0, 0.0),
    'triangle': (3, -90.0),
    'octagon': (8, 22.5),
    'diamond': (4, 0.0),
    'hexagon': (6, 0.0),
    'square': (4, 45.0),
}  # corners, degrees of the first
FOREIGN = [  # form, face, border, text, its colour
    ('disc', WHITE, RED, 'ABC', BLACK),
    ('disc', WHITE, RED, '?', BLACK),
    ('disc', YELLOW, RED, '7', BLACK),
    ('disc', BLUE, BLUE, 'P', WHITE),
    ('disc', GREEN, GREEN, 'GO', WHITE),
    ('disc', BLUE, WHITE, 'X', WHITE),
    ('disc', BLACK, RED, '', BLACK),
    ('disc', RED, RED, '', RED),
    ('disc', BLUE, BLUE, '', BLUE),
    ('triangle', WHITE, RED, 'Q', BLACK),
    ('triangle', BLUE, RED, '&', WHITE),
    ('triangle', WHITE, BLUE, '!', BLACK),
    ('triangle', RED, RED, '', RED),
    ('triangle', YELLOW, BLACK, '', BLACK),
    ('octagon', BLUE, WHITE, 'HI', WHITE),
    ('octagon', RED, RED, '', RED),
    ('octagon', GREEN, WHITE, 'OK', WHITE),
    ('diamond', YELLOW, BLACK, 'M', BLACK),
    ('diamond', WHITE, RED, '##', BLACK),
    ('hexagon', RED, WHITE, '7', WHITE),
    ('square', BLUE, WHITE, 'H', WHITE),
    ('square', RED, WHITE, '+', WHITE),
]
FRAME_NS, BEHIND_NS = 50_000_000, 2_000_000_000  # 25 pictures do not overtake the clock
AGAIN_S = 5.0  # a best-effort picture may be lost
MAX_NAMED = 0.05
SIDES_PX = (40, 44, 49, 54, 60, 66, 73, 80)  # as if it came nearer: a track would confirm


def foreign(kind: tuple[str, Any, Any, str, Any], side_px: int) -> Any:
    """Draw one of them before a grey wall with some noise."""
    form, face, border, text, ink = kind
    rng = np.random.default_rng(side_px)
    wall = np.linspace(150, 90, SIZE_WH[1])[:, None, None] + rng.normal(0, 6, (480, 640, 3))
    picture = np.clip(wall, 0, 255).astype(np.uint8)
    corners, first_deg = FORMS[form]
    angles = np.radians(first_deg + np.arange(corners or 90) * 360 / (corners or 90))
    outline = np.stack([np.cos(angles), np.sin(angles)], 1) * side_px / 2
    for part, colour in ((1.0, border), (0.76, face)):
        cv2.fillPoly(picture, [np.int32(outline * part + (400, 200))], colour, cv2.LINE_AA)
    scale, thick = side_px / 55 / max(2, len(text)), max(1, side_px // 25)
    (width, height), _ = cv2.getTextSize(text, 0, scale, thick)
    at = (400 - width // 2, 200 + height // 2)
    cv2.putText(picture, text, at, 0, scale, ink, thick, cv2.LINE_AA)
    return picture


class Vehicle:
    """The bundled model in a classifier process, which a navigator process obeys."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.ears = Ears(self.bench)
        self.found = self.bench.listen(Detection2DArray, 'alexnet/detections')
        self.reports = self.bench.listen(DiagnosticArray, '/diagnostics')
        self.camera = self.bench.camera('image')
        self.begin()
        self.classifier = NodeProcess(
            [
                '-p',
                f'model:={ROOT / "models" / "signs"}',
                '-p',
                'backend:=cpu',
                '-p',
                'regions:=signs',
                '-p',
                'autostart:=true',
                '-p',
                'lazy:=false',
            ],
            {},
        )
        self.navigator = NodeProcess(
            [
                '-r',
                'detections:=alexnet/detections',
                '-r',
                'label_info:=alexnet/label_info',
                '-p',
                'max_speed_mps:=36.2',
                '-p',
                'max_age_s:=60.0',
                '-p',
                'stale_after_s:=60.0',
            ],
            {},
            'alexnet_ros.ros.sign_navigator_node',
        )

    def begin(self) -> None:
        """Let the next pictures follow each other, however busy the machine is."""
        self.now_ns = self.bench.node.get_clock().now().nanoseconds - BEHIND_NS

    def shown(self, picture: Any) -> Detection2DArray:
        """Show one picture and return what was found in it."""
        height, width = picture.shape[:2]
        message = Image(
            height=height,
            width=width,
            encoding='rgb8',
            step=3 * width,
            data=np.ascontiguousarray(picture).tobytes(),
        )
        sent: set[int] = set()  # a slow machine may answer the first when the second is out
        next_s = 0.0

        def answered() -> Detection2DArray | None:
            nonlocal next_s
            if time.monotonic() >= next_s:
                next_s = time.monotonic() + AGAIN_S
                self.now_ns += FRAME_NS
                message.header.stamp = Time(nanoseconds=self.now_ns).to_msg()
                sent.add(stamp_ns(message))
                self.camera.publish(message)
            newest = self.found.messages[-5:]
            return next((one for one in newest if stamp_ns(one) in sent), None)

        answer: Detection2DArray = self.bench.until('the picture is answered', answered)
        return answer

    def close(self) -> None:
        self.classifier.close()
        self.navigator.close()
        self.bench.close()


@pytest.fixture
def vehicle() -> Iterator[Vehicle]:
    made = Vehicle()
    try:
        yield made
        assert made.classifier.stop() == 0, made.classifier.log
        assert made.navigator.stop() == 0, made.navigator.log
    finally:
        made.close()


@fault(
    'content',
    'signs of no known kind',
    f'{len(FOREIGN)} shapes in the form of signs, coming nearer, to the bundled model',
    f'no limit, no lock; confirmed in at most {MAX_NAMED:.0%} of the pictures',
)
def test_foreign_signs_change_nothing(vehicle: Vehicle) -> None:
    named = []
    for kind in FOREIGN:
        vehicle.begin()
        for side_px in SIDES_PX:
            found = vehicle.shown(foreign(kind, side_px))
            named += [
                f'{kind[0]} {kind[3]!r} of {side_px} px: {one.results[0].hypothesis.class_id}'
                for one in found.detections
                if one.id and one.results
            ]
            mutations()
    assert len(named) <= MAX_NAMED * len(FOREIGN) * len(SIDES_PX), named
    assert vehicle.ears.values == []
    assert {one.data for one in vehicle.ears.locks.messages} == {False}
    # The same chain does obey a real sign, or all of this says nothing.
    scene = Scene([PlacedSign(LIMIT_30, 40.0)], size_wh=SIZE_WH)
    vehicle.begin()
    for along_m in np.arange(14.0, 34.0, 0.8):  # a limit is in force once it is passed
        vehicle.shown(scene.render(Pose(float(along_m))))
    vehicle.bench.until('30 km/h', lambda: vehicle.ears.values == [pytest.approx(30 / 3.6)])
