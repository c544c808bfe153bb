"""The navigator on the wire with whole-frame models: blocked or free, headings."""

import math

import pytest

from tests.ros.navigator_bench import CalmNavigator, Ears, Recogniser
from tests.ros.robot import Bench


def test_blocked_locks_and_free_lets_go(bench: Bench) -> None:
    ears = Ears(bench)
    bench.add(CalmNavigator, actions='blocked_actions.yaml', on_stale='stop', stale_after_s=0.5)
    bench.until('locked before the first image', lambda: ears.locked)
    camera = Recogniser(bench, frames=True)
    camera.scores = [(1, 0.9), (0, 0.1)]
    bench.until('free', lambda: ears.locked is False)
    camera.scores = [(0, 0.8), (1, 0.2)]
    bench.until('blocked', lambda: ears.locked and ears.kinds('lock'))
    camera.scores = [(1, 0.9), (0, 0.1)]
    bench.until('free again', lambda: ears.locked is False and ears.kinds('unlock'))
    camera.scores = []  # the model knows nothing: as if there was no image
    bench.until('unknown locks', lambda: ears.locked and ears.kinds('stale'))
    camera.scores = [(1, math.nan)]
    bench.until('the refusal', lambda: ears.events[-1]['did'] == 'bad_score')
    assert ears.locked
    camera.scores = [(1, 0.9)]
    bench.until('recovery', lambda: ears.locked is False)
    assert not ears.limits.messages


def test_heading_follows_the_scores_and_slows_in_turns(bench: Bench) -> None:
    ears = Ears(bench)
    bench.add(
        CalmNavigator, actions='heading_actions.yaml', max_speed_mps=1.0, heading_smoothing=0.0
    )
    camera = Recogniser(bench, frames=True)
    camera.scores = [(0, 0.75), (1, 0.25)]
    bench.until('left', lambda: ears.headings.messages)
    assert ears.headings.last.data == pytest.approx(-0.75)
    bench.until('slow in a turn', lambda: ears.values == [0.6])
    camera.scores = [(2, 1.0)]
    bench.until('right', lambda: ears.headings.last.data == 1.0)
    camera.scores = [(1, 1.0)]
    bench.until('straight on is free', lambda: ears.values == [0.6, 0.0])
    camera.running = False
    bench.until('stale', lambda: ears.kinds('stale'))
    said = len(ears.headings)
    bench.spin_for(0.5)
    assert len(ears.headings) == said
