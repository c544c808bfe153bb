"""
What is asked of the whole node, as descriptions for ``ros/node_bench``.

Each is run as a process of its own, with or without the shipped DDS profile.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

SIZES = ((640, 480), (1280, 720), (1920, 1080))


@dataclass(frozen=True)
class NodeScenario:
    """
    One measurement.

    :param profile: with the shipped Fast DDS profile.
    :param values: fields of ``alexnet_ros.ros.node_bench.Scenario``.
    """

    name: str
    profile: bool = True
    values: dict[str, Any] = field(default_factory=dict)


def scenarios(model: str, slow_model: str | None, seconds: float) -> Iterator[NodeScenario]:
    """
    Yield every scenario.

    :param slow_model: a model so slow that a camera can outrun it ten times
        over, for the overload; None leaves that out.
    :param seconds: length of each measurement.
    """
    common = {'model': model, 'seconds': seconds}
    for width, height in SIZES:
        for compressed in (False, True):
            kind = 'jpeg' if compressed else 'raw'
            yield NodeScenario(
                f'{width}x{height} {kind}',
                values={**common, 'width': width, 'height': height, 'compressed': compressed},
            )
    yield NodeScenario('640x480 raw, default DDS profile', profile=False, values=common)
    yield NodeScenario(
        '640x480 raw, single-threaded executor',
        values={**common, 'parameters': {'executor': 'single'}},
    )
    for width, height in SIZES:
        for cameras in (2, 4):
            values = {**common, 'cameras': cameras, 'width': width, 'height': height}
            yield NodeScenario(
                f'{cameras} cameras {width}x{height} jpeg', values={**values, 'compressed': True}
            )
            if (width, height) == SIZES[0]:
                yield NodeScenario(f'{cameras} cameras {width}x{height} raw', values=values)
    yield NodeScenario('640x480 raw, two busy processes beside it', values={**common, 'hogs': 2})
    if slow_model is not None:
        yield NodeScenario(
            '320x240 raw at 400 Hz into a slow network',
            values={**common, 'model': slow_model, 'width': 320, 'height': 240, 'rate_hz': 400.0},
        )
