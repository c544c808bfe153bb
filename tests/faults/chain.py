"""A classifier process that feeds a navigator process, seen from outside."""

from pathlib import Path
from typing import Any

from tests.faults.wire import Wire
from tests.models import colour_of, tiny_package
from tests.ros.navigator_bench import Ears
from tests.ros.robot import Bench, NodeProcess, make_image

ACTIONS = """
input: classification
classes:
  0: {name: red, action: lock}
  1: {name: green, action: none}
  2: {name: blue, action: slow, percent: 50}
"""


class Chain:
    """A classifier process that feeds a navigator process."""

    def __init__(self, folder: Path, *, policy: str = 'hold', stale_after_s: float = 30.0) -> None:
        self.bench = Bench()
        self.ears = Ears(self.bench)
        self.folder = folder
        tiny_package(folder / 'model', classes=3)
        (folder / 'actions.yaml').write_text(ACTIONS)
        self.navigator = NodeProcess(
            [
                '-r',
                'classification:=alexnet/classification',
                '-p',
                'max_speed_mps:=10.0',
                '-p',
                f'actions:={folder / "actions.yaml"}',
                '-p',
                'max_age_s:=60.0',
                '-p',
                f'stale_after_s:={stale_after_s}',
                '-p',
                f'on_stale:={policy}',
            ],
            {},
            'alexnet_ros.ros.sign_navigator_node',
        )
        self.classifier = self.start()
        self.wire = Wire(self.bench, self.classifier)
        self.wire.send = self.send  # type: ignore[method-assign]

    def start(
        self, module: str = 'tests.faults.faulty_classifier', *words: str, **environment: str
    ) -> Any:
        """Start a classifier process."""
        return NodeProcess(
            [
                '-p',
                f'model:={self.folder / "model"}',
                '-p',
                'autostart:=true',
                '-p',
                'lazy:=false',
                '-p',
                'score_threshold:=0.8',
                '-p',
                'diagnostics_period_s:=0.1',
                '-p',
                'inference_timeout_s:=600.0',
                *words,
            ],
            environment,
            module,
        )

    def send(self, message: Any, *, answerable: bool = False) -> int:
        """Publish with the stamp of now, which the navigator asks for."""
        stamp = self.bench.node.get_clock().now()
        message.header.stamp = stamp.to_msg()
        if answerable:
            self.wire._good_ns.add(stamp.nanoseconds)
        self.wire._camera.publish(message)
        self.bench.spin_for(0.05)
        return int(stamp.nanoseconds)

    def slowed(self) -> None:
        """Show blue until the limit of 5 m/s is in force."""

        def limited() -> bool:
            self.send(make_image(colour_of(2), 0), answerable=True)
            return bool(self.ears.values) and self.ears.values[-1] == 5.0

        self.bench.until('the limit is in force', limited)
        assert self.ears.locked is False

    def close(self) -> None:
        self.classifier.close()
        self.navigator.close()
        self.bench.close()
