"""Pictures that show nothing known, through classifier and navigator processes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sensor_msgs.msg import Image

from tests.faults import faulty_classifier as faulty
from tests.faults.chain import Chain
from tests.faults.faults import fault
from tests.faults.shared import Shared
from tests.ros.robot import make_image

SAME = 'empty results; limit and lock stay'


@contextmanager
def opened(folder: Path) -> Iterator[Chain]:
    made = Chain(folder)
    try:
        yield made
        made.wire.check()
        assert made.classifier.stop() == 0, made.classifier.log
        assert made.navigator.stop() == 0, made.navigator.log
    finally:
        made.close()


@pytest.fixture(scope='module')
def chains(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared[Chain]]:
    shared = Shared(lambda: opened(tmp_path_factory.mktemp('chain')))
    yield shared
    shared.close()


@pytest.fixture
def chain(request: pytest.FixtureRequest, chains: Shared[Chain]) -> Iterator[Chain]:
    yield from chains.lent(request)


def picture(pixels: Any) -> Image:
    height, width = pixels.shape[:2]
    return Image(
        height=height,
        width=width,
        encoding='rgb8',
        step=3 * width,
        data=np.ascontiguousarray(pixels, np.uint8).tobytes(),
    )


def noise() -> Any:
    return np.random.default_rng(3).integers(0, 256, (48, 64, 3))


def checkers() -> Any:
    rows, columns = np.indices((48, 64)) // 8
    return np.repeat(((rows + columns) % 2 * 255)[:, :, None], 3, 2)


NOTHING: list[tuple[str, str, Callable[[], Any]]] = [
    ('black', 'a covered lens', lambda: np.zeros((48, 64, 3))),
    ('white', 'a dazzled camera', lambda: np.full((48, 64, 3), 255)),
    ('noise', 'random pixels', noise),
    ('pattern of no class', 'a chessboard', checkers),
    ('colour between the classes', 'yellow', lambda: np.full((48, 64, 3), (255, 255, 0))),
]


@pytest.mark.parametrize(
    'make',
    [
        pytest.param(make, id=name, marks=fault('content', name, stimulus, SAME))
        for name, stimulus, make in NOTHING
    ],
)
def test_what_is_unknown_changes_nothing(chain: Chain, make: Callable[[], Any]) -> None:
    chain.slowed()
    before, limits, locks = len(chain.wire.results), len(chain.ears.limits), len(chain.ears.locks)
    stamps: set[int] = set()

    def answered() -> bool:
        stamps.add(chain.send(picture(make()), answerable=True))
        return len([one for one in chain.wire.results.stamps()[before:] if one in stamps]) >= 8

    chain.bench.until('eight empty answers', answered)
    for one in chain.wire.results.messages[before:]:
        if one.header.stamp and one.header.stamp.sec * 10**9 + one.header.stamp.nanosec in stamps:
            assert list(one.results) == []
    chain.bench.until('the limit is said again', lambda: len(chain.ears.limits) > limits + 1)
    assert {one.speed_limit for one in chain.ears.limits.messages[limits:]} == {5.0}
    assert {one.data for one in chain.ears.locks.messages[locks:]} == {False}
    chain.slowed()
    chain.wire.check()


@pytest.mark.parametrize(
    'colour',
    [
        pytest.param(
            faulty.NAN,
            id='NaN',
            marks=fault(
                'content', 'NaN logits', 'the engine gives NaN', 'counted, nothing published'
            ),
        ),
        pytest.param(
            faulty.INFINITE,
            id='infinite',
            marks=fault(
                'content',
                'infinite logits',
                'the engine gives infinity',
                'counted, nothing published',
            ),
        ),
    ],
)
def test_logits_that_are_not_finite_are_an_error(
    chain: Chain, colour: tuple[int, int, int]
) -> None:
    chain.slowed()
    limits = len(chain.ears.limits)
    chain.bench.until('diagnostics', lambda: 'inference errors' in chain.wire.values('backend'))
    before = int(chain.wire.values('backend')['inference errors'])

    def counted() -> bool:
        chain.send(make_image(colour, 0))  # not answerable: a result would be noticed
        return int(chain.wire.values('backend').get('inference errors', '0')) > before

    chain.bench.until('the error is counted', counted)
    status = chain.wire.status('backend')
    assert status is not None
    assert 'infinite' in status.message
    chain.bench.until('the limit is said again', lambda: len(chain.ears.limits) > limits)
    assert {one.speed_limit for one in chain.ears.limits.messages[limits:]} == {5.0}
    chain.slowed()
    chain.bench.until(
        'all is well again',
        lambda: (status := chain.wire.status('backend')) is not None and status.level == b'\0',
    )
    chain.wire.check()
