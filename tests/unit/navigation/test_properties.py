"""Whatever is fed to the navigator, in whatever order, its promises hold."""

import copy
import math

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from alexnet_ros.config import NavigatorSettings, settings_from_mapping
from alexnet_ros.navigation import (
    ActionTable,
    ClassFrame,
    Command,
    Moment,
    Navigator,
    Score,
    SignFrame,
    SignSeen,
    find_table,
    read_table,
)

SIGNS = read_table(find_table('sign_actions.yaml'))
FRAMES = ActionTable(
    'classification',
    {
        **read_table(find_table('blocked_actions.yaml')),
        2: read_table(find_table('heading_actions.yaml'))[0],
    },
)
START_NS = 1_750_000_000 * 10**9

any_float = st.floats(width=64)
likely = st.floats(0.5, 1.0)
scores = st.lists(
    st.builds(Score, st.integers(-1, 60), st.one_of(likely, likely, likely, any_float)), max_size=3
).map(tuple)
heights = st.one_of(st.floats(0, 200), st.floats(0, 200), any_float)
signs = st.lists(
    st.builds(SignSeen, st.sampled_from(['', '1', '2', '3', '4']), heights, scores), max_size=4
).map(tuple)
telling = st.sampled_from([0, 1, 2, 5, 6, 8, 13, 14, 25, 32])
good_signs = st.lists(
    st.builds(
        SignSeen,
        st.sampled_from(['1', '2', '3', '4']),
        st.floats(0, 100),
        telling.map(lambda one: (Score(one, 0.9),)),
    ),
    max_size=3,
).map(tuple)
ages_s = st.one_of(st.floats(0, 0.9), st.floats(0, 0.9), st.floats(-3600, 3600))
changes = st.fixed_dictionaries(
    {},
    optional={
        'max_speed_mps': st.floats(0.01, 100),
        'on_stale': st.sampled_from(['hold', 'stop']),
        'release_to': st.sampled_from(['none', 'cap']),
        'limit_time_s': st.floats(0, 20),
        'stop_hold_s': st.floats(0.1, 10),
        'yield_speed_mps': st.floats(0.01, 100),
        'same_place_s': st.floats(0, 5),
        'max_age_s': st.floats(0.01, 5),
        'stale_after_s': st.floats(0.05, 5),
    },
)


class Promises(RuleBasedStateMachine):
    """Any order of observations, pauses, jumps and changes of settings."""

    table = SIGNS

    @initialize(change=changes)
    def begin(self, change: dict[str, object]) -> None:
        self.values = {'max_speed_mps': 20.0, **change}
        self.navigator = Navigator(self.made(), self.table)
        self.ros_ns, self.steady_ns = START_NS, 10**9
        self.limit: float | None = None
        self.may_release = False
        self.step()

    def made(self) -> NavigatorSettings:
        return settings_from_mapping(NavigatorSettings, self.values)

    @property
    def now(self) -> Moment:
        return Moment(self.ros_ns, self.steady_ns)

    def step(self) -> Command:
        command = self.navigator.step(self.now)
        limit = command.speed_limit_mps
        if limit is not None:
            assert math.isfinite(limit)
            assert 0 < limit <= self.navigator.settings.max_speed_mps
        assert command.release == (limit is None and self.limit is not None)
        assert command.changed == (limit != self.limit)
        if command.release or (limit or math.inf) > (self.limit or math.inf):
            assert self.may_release, 'let go without a reason'
        if command.heading is not None:
            assert -1 <= command.heading <= 1
        if self.navigator.stale and self.navigator.settings.on_stale == 'stop':
            assert command.stop_lock
        for event in command.events:
            assert '\n' not in event.did
        self.limit, self.may_release = limit, False
        return command

    def observe(self, message: SignFrame | ClassFrame) -> None:
        """Act only on messages that are neither old nor from the future."""
        before = self.step()
        now, set_to = self.now, self.navigator.settings
        if isinstance(message, SignFrame):
            fault = self.navigator.observe_signs(message, now)
        else:
            fault = self.navigator.observe_classes(message, now)
        age_s = (now.ros_ns - message.stamp_ns) / 1e9
        if not -set_to.max_skew_s - 1e-6 <= age_s <= set_to.max_age_s + 1e-6:
            assert fault
        self.may_release = not fault
        after = self.step()
        if fault:
            assert (after.speed_limit_mps, after.stop_lock, after.heading) == (
                before.speed_limit_mps,
                before.stop_lock,
                None,
            )

    @rule(found=signs, age_s=ages_s, camera=st.sampled_from(['', 'left']))
    def anything_seen(self, found: tuple[SignSeen, ...], age_s: float, camera: str) -> None:
        self.observe(SignFrame(camera, self.ros_ns - round(age_s * 1e9), found))

    @rule(found=good_signs, times=st.integers(1, 12))
    def drive_on(self, found: tuple[SignSeen, ...], times: int) -> None:
        for _ in range(times):
            self.tick(0.2, 0.2)
            self.observe(SignFrame('', self.ros_ns, found))

    @rule(
        extra=st.builds(
            SignSeen,
            st.uuids().map(str),
            st.floats(0, 100),
            st.sampled_from([0, 13, 14, 25]).map(lambda one: (Score(one, 0.9),)),
        ),
        found=good_signs,
    )
    def one_more_warning_only_slows(self, extra: SignSeen, found: tuple[SignSeen, ...]) -> None:
        self.tick(0.1, 0.1)
        without = copy.deepcopy(self.navigator)
        without.observe_signs(SignFrame('', self.ros_ns, found), self.now)
        less = without.step(self.now)
        self.navigator.observe_signs(SignFrame('', self.ros_ns, (*found, extra)), self.now)
        self.may_release = True
        more = self.step()
        if less.speed_limit_mps is not None:
            assert more.speed_limit_mps is not None
            assert more.speed_limit_mps <= less.speed_limit_mps
        assert more.stop_lock >= less.stop_lock

    @rule(found=scores, age_s=ages_s)
    def frame_classified(self, found: tuple[Score, ...], age_s: float) -> None:
        if self.table.reads == 'classification':
            self.observe(ClassFrame('', self.ros_ns - round(age_s * 1e9), found))

    @rule(value=st.one_of(any_float, st.floats(0, 100), st.just(0.0)), percentage=st.booleans())
    def other_limit(self, value: float, percentage: bool) -> None:
        self.may_release = not self.navigator.observe_limit(value, self.now, percentage=percentage)
        self.step()

    @rule(mps=any_float)
    def speed_measured(self, mps: float) -> None:
        self.navigator.observe_speed(mps, self.now)

    @rule(names=st.dictionaries(st.integers(0, 42), st.text(max_size=3), max_size=3))
    def labels_told(self, names: dict[int, str]) -> None:
        right = {key: one.class_name for key, one in self.table.items()}
        self.navigator.observe_labels({**right, **names})

    @rule(real_s=st.floats(0, 3), rate=st.sampled_from([0.0, 1.0, 10.0]))
    def tick(self, real_s: float, rate: float) -> None:
        self.steady_ns += round(real_s * 1e9)
        self.ros_ns += round(real_s * rate * 1e9)
        self.step()

    @rule(jump_s=st.one_of(st.floats(-1e6, 1e6), st.floats(-10, 10)))
    def clock_jumps(self, jump_s: float) -> None:
        self.ros_ns += round(jump_s * 1e9)
        self.step()

    @rule(change=changes)
    def settings_change(self, change: dict[str, object]) -> None:
        self.values.update(change)
        self.navigator.settings = self.made()
        self.may_release = True  # a person asked for it
        self.step()

    @invariant()
    def state_is_bounded(self) -> None:
        if hasattr(self, 'navigator'):
            assert self.navigator.cameras.signs_in_view <= 16 * 64
            assert len(list(self.navigator.cameras)) <= 16


class FramePromises(Promises):
    table = FRAMES


LIGHT = settings(
    max_examples=40,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,  # drives.py goes where nobody has been
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking takes minutes
    suppress_health_check=[HealthCheck.too_slow],
)
TestSignPromises = Promises.TestCase
TestSignPromises.settings = LIGHT
TestFramePromises = FramePromises.TestCase
TestFramePromises.settings = LIGHT
