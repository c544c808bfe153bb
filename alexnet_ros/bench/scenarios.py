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
        for kind in ('raw', 'jpeg'):
            values = {**common, 'width': width, 'height': height, 'compressed': kind == 'jpeg'}
            first = (width, height, kind) == (*SIZES[0], 'raw')
            yield NodeScenario(f'{width}x{height} {kind}', values={**values, 'idle': first})
            if kind == 'jpeg' or first:
                yield NodeScenario(
                    f'4 cameras {width}x{height} {kind}', values=values | {'cameras': 4}
                )
    yield NodeScenario('2 cameras 640x480 raw', values={**common, 'cameras': 2})
    yield NodeScenario('640x480 raw, default DDS profile', profile=False, values=common)
    single = {'executor': 'single'}
    yield NodeScenario(
        '640x480 raw, single-threaded executor', values={**common, 'parameters': single}
    )
    yield NodeScenario(
        '640x480 raw, sign mode', values={**common, 'parameters': {'regions': 'signs'}}
    )
    yield NodeScenario('640x480 raw, two busy processes beside it', values={**common, 'hogs': 2})
    if slow_model is not None:
        yield NodeScenario(
            '320x240 raw at 400 Hz into a slow network',
            values={**common, 'model': slow_model, 'width': 320, 'height': 240, 'rate_hz': 400.0},
        )
