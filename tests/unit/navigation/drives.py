"""
Random drives, whole and disturbed: whatever goes wrong, the robot is never faster.

``python -m tests.unit.navigation.drives --drives 200000 --seed 1 --jobs 2``

A drive goes past signs that grow and vanish. It is driven twice: undisturbed,
past the signs as far as the other one has seen them (what was never delivered
is not known), and disturbed. What was in force in the undisturbed one during
the whole of the documented delay before a moment, and still is after it, binds
the disturbed one at that moment: no higher speed, no unlocked stop. And no stop
is over before the robot has really stood for its time.
"""

import argparse
import math
import multiprocessing
import random
import sys
from collections import Counter
from dataclasses import dataclass, field, replace

from alexnet_ros.config import NavigatorSettings, settings_from_mapping
from alexnet_ros.navigation import (
    Moment,
    Navigator,
    Score,
    SignFrame,
    SignSeen,
    find_table,
    read_table,
    restore_navigator,
    text_from_navigator,
)
from alexnet_ros.navigation.clocks import TOGETHER_S

TABLE = read_table(find_table('sign_actions.yaml'))
START_NS, SECOND = 1_750_000_000 * 10**9, 10**9
TICK_S = 0.1
CAP_MPS = 36.2
HOLD_S = 3.0  # stop_hold_s
LOST = -2  # as a class: its box is not there
RAISING = {1, 2, 5, 6, 8, 32}  # may raise; all limits but the lowest, and the ends of limits
CLASSES = (0, 1, 2, 5, 6, 8, 12, 13, 14, 14, 14, 25, 32, 32)
DISTURBANCES = (
    'gap', 'gap', 'drop', 'delay', 'double', 'kill', 'kill', 'step', 'sign', 'crowd', 'camera',
    'odometry', 'relabel', 'relabel', 'renumber', 'merge',
)  # fmt: skip


@dataclass
class Sign:
    """One sign on its way past a camera."""

    track_id: str
    class_id: int
    begin_s: float
    life_s: float
    first_px: float
    last_px: float
    camera: str = 'front'
    side: float = 0.0  # of its middle from the image's, in its heights

    def box(self, at_s: float, track_id: str, class_id: int) -> SignSeen | None:
        height_px = self.height_px(at_s)
        if height_px is None:
            return None
        scores = () if class_id < 0 else (Score(class_id, 0.95),)
        middle_px = (640 + self.side * height_px, 360 - 2 * height_px)
        return SignSeen(track_id, height_px, scores, middle_px)

    def height_px(self, at_s: float) -> float | None:
        part = (at_s - self.begin_s) / self.life_s
        if not 0 <= part <= 1:
            return None
        return 1 / (1 / self.first_px + part * (1 / self.last_px - 1 / self.first_px))


@dataclass
class Plan:
    """A drive, and what goes wrong in it."""

    hz: float
    seconds: float
    signs: list[Sign]
    settings: dict[str, object]
    other_limits: list[tuple[float, float, bool]]
    extra: list[Sign] = field(default_factory=list)
    read_as: dict[str, list[tuple[float, str, int]]] = field(default_factory=dict)
    lost: list[tuple[float, float]] = field(default_factory=list)
    dropped: float = 0.0
    delayed: float = 0.0
    doubled: float = 0.0
    kills: list[tuple[float, float]] = field(default_factory=list)
    steps: list[tuple[float, float]] = field(default_factory=list)
    crowds: list[float] = field(default_factory=list)
    rear: tuple[float, float] | None = None
    odometry_lost: tuple[float, float, float | None] | None = None
    braking_s: float = 0.3  # from the lock to standstill
    what: tuple[str, ...] = ()


def plan(rng: random.Random) -> Plan:
    """Return a random drive with one to three disturbances."""
    hz = rng.choice([1, 2, 3, 5, 10, 10, 20, 30])
    at_s, signs = 1.0, []
    for index in range(rng.randrange(1, 6)):
        at_s += rng.choice([0.0, 0.3, 1.0, 2.5, 5.0])
        life_s = rng.choice([0.7, 1.0, 1.5, 2.5]) * max(1.0, 3 / hz)
        last_px = rng.choice([15.0, 21.0, 28.0, 31.0, 40.0, 80.0])
        class_id = rng.choice(CLASSES)
        side = rng.uniform(-1, 1) * min(12.0, 600 / last_px)  # inside the image to the last
        signs.append(Sign(str(index), class_id, at_s, life_s, 10.0, last_px, side=side))
    seconds = at_s + rng.choice([4.0, 8.0])
    settings: dict[str, object] = {
        'max_speed_mps': CAP_MPS,
        'on_stale': rng.choice(['hold', 'hold', 'stop']),
        'velocity_source': rng.choice(['none', 'twist']),
        'limit_time_s': rng.choice([0.0, 0.0, 3.0]),
        'same_place_s': rng.choice([1.0, 0.0]),
    }
    others = []
    if rng.random() < 0.3:
        from_s = rng.uniform(0, seconds)
        others = [(from_s, rng.choice([0.2, 40.0, 6.0]), rng.random() < 0.5)]
        others += [(from_s + rng.uniform(1, 5), 0.0, False)]
    made = Plan(hz, seconds, signs, settings, others)
    made.what = tuple(rng.sample(DISTURBANCES, rng.randrange(1, 4)))
    for what in made.what:
        _disturb(made, what, rng)
    made.braking_s = rng.choice([0.3, 0.3, 2.0])
    return made


def _disturb(made: Plan, what: str, rng: random.Random) -> None:
    at_s = rng.uniform(0.3, made.seconds)
    if what == 'gap':
        made.lost.append((at_s, at_s + rng.choice([0.2, 0.5, 0.65, 0.8, 0.95, 1.05, 1.5, 4.0])))
    elif what == 'drop':
        made.dropped = rng.choice([0.02, 0.1, 0.3, 0.6])
    elif what == 'delay':
        made.delayed = rng.choice([0.02, 0.1, 0.3])
    elif what == 'double':
        made.doubled = 0.3
    elif what == 'kill':
        made.kills.append((at_s, at_s + rng.choice([0.1, 0.5, 1.5, 3.0])))
    elif what == 'step':
        size_s = rng.choice([0.04, 0.1, 0.3, 0.5, 1.0, 1.9, 2.5, 60.0, 86400.0])
        made.steps.append((at_s, size_s * rng.choice([1, -1])))
    elif what == 'crowd':
        made.crowds.append(at_s)
    elif what == 'odometry':
        made.odometry_lost = (at_s, at_s + 30.0, rng.choice([None, math.nan, math.inf, 1e200]))
    elif what in {'relabel', 'renumber', 'merge'}:
        _rename(made, what, rng)
    else:
        class_id = rng.choice(CLASSES)
        life_s = rng.choice([0.5, 1.5])
        first_px, last_px = rng.choice([(10.0, 25.0), (10.0, 60.0), (35.0, 40.0)])
        if class_id in RAISING:  # that it is reached or passed must not be seen
            first_px, last_px = rng.choice([(28.0, 12.0), (24.0, 24.5)])
        camera = 'rear' if what == 'camera' else 'front'
        if what == 'camera':
            made.rear = (max(at_s - 1, 0), at_s + rng.choice([0.5, 3.0, 30.0]))
        side = rng.choice([rng.uniform(-12, 12), *(one.side for one in made.signs)])
        made.extra.append(
            Sign(f'{what} x', class_id, at_s, life_s, first_px, last_px, camera, side)
        )


def _rename(made: Plan, what: str, rng: random.Random) -> None:
    """Let a sign's track be read as another class, get another number, or be lost in another."""
    sign = rng.choice(made.signs)
    at_s = sign.begin_s + sign.life_s * rng.choice([rng.random(), rng.uniform(0.7, 1.0)])
    names = made.read_as.setdefault(sign.track_id, [])
    other = f'{sign.track_id} {what}'
    if what == 'merge':  # a second box on it, which stays when its own is lost
        class_id = rng.choice([one for one in CLASSES if one not in RAISING])
        made.extra.append(
            Sign(other, class_id, sign.begin_s, sign.life_s, 10.0, sign.last_px, side=sign.side)
        )
        names.append((at_s, '', LOST))
        return
    class_id = sign.class_id if what == 'renumber' else rng.choice([-1, *CLASSES])
    if what == 'renumber':
        other = rng.choice([other, other, ''])
    else:
        other = rng.choice([sign.track_id, other, ''])
    names.append((at_s, other, class_id))
    if rng.random() < 0.3:  # and again, or read right in the end
        again = rng.choice(
            [(sign.track_id, sign.class_id), (f'{other} again', rng.choice(CLASSES))]
        )
        names.append((rng.uniform(at_s, sign.begin_s + sign.life_s), *again))
    names.sort()


Force = dict[str, tuple[float, bool]]  # by name: metres a second, and whether it locks


@dataclass
class Trace:
    """
    What was said at every tick, and from when on each sign was known.

    :param force: what was in force without a break since the last tick.
    """

    limits: list[float] = field(default_factory=list)
    locks: list[bool] = field(default_factory=list)
    force: list[Force] = field(default_factory=list)
    known_s: dict[str, float] = field(default_factory=dict)
    rushed: list[str] = field(default_factory=list)


class Run:
    """One run of a drive."""

    def __init__(self, made: Plan, known_s: dict[str, float] | None, seed: int) -> None:
        self.plan = made
        self.set_to = settings_from_mapping(NavigatorSettings, made.settings)
        self.whole = known_s is not None
        self.known_s = known_s or {}
        self.rng = random.Random(seed)
        self.trace = Trace()
        self.offset_ns = 0
        self.limit, self.lock, self.locked_s = math.inf, False, 0.0  # since when
        self.force: Force = {}
        self.shown: list[str] = []  # in the last image, by the numbers of their first tracks
        self.text = ''
        self.navigator: Navigator | None = self.make()

    def make(self) -> Navigator:
        return Navigator(self.set_to, TABLE)

    def now(self, at_s: float) -> Moment:
        at_ns = round(at_s * SECOND)
        return Moment(START_NS + at_ns + self.offset_ns, SECOND + at_ns)

    def messages(self) -> list[tuple[float, float, str, int]]:
        """Return arrival time, stamp, camera and running number of every message."""
        made, sent = self.plan, []
        for number in range(int(made.seconds * made.hz)):
            stamp_s = number / made.hz
            cameras = ['front']
            if not self.whole and made.rear and made.rear[0] <= stamp_s <= made.rear[1]:
                cameras.append('rear')
            for camera in cameras:
                arrival_s = stamp_s + 0.02
                if not self.whole:
                    if any(a <= stamp_s < b for a, b in made.lost):
                        continue
                    if self.rng.random() < made.dropped:
                        continue
                    arrival_s += self.rng.uniform(0, made.delayed)
                sent.append((arrival_s, stamp_s, camera, number))
                if not self.whole and self.rng.random() < made.doubled:
                    sent.append((arrival_s + 0.01, stamp_s, camera, number))
        return sorted(sent)

    def seen(self, stamp_s: float, camera: str) -> list[SignSeen]:
        made, found = self.plan, []
        for sign in [*made.signs, *([] if self.whole else made.extra)]:
            if sign.camera != camera:
                continue
            if self.whole and stamp_s < self.known_s.get(sign.track_id, math.inf):
                continue
            name, class_id = sign.track_id, sign.class_id
            for from_s, *read_as in [] if self.whole else made.read_as.get(sign.track_id, []):
                if from_s <= stamp_s:
                    name, class_id = read_as
            if class_id in RAISING - {sign.class_id} and sign.track_id not in self.trace.known_s:
                continue  # it was never read as itself: nothing contradicts that it raises
            box = None if class_id == LOST else sign.box(stamp_s, name, class_id)
            if box is not None and self.whole:  # nothing is renamed, so no sign hides another
                box = replace(box, middle_px=(1e6 * made.signs.index(sign), 0.0))
            if box is not None:
                found.append(box)
                if class_id == sign.class_id and name:
                    self.shown.append(sign.track_id)
        if not self.whole and any(0 <= stamp_s - at_s < 0.5 for at_s in made.crowds):
            found += [
                SignSeen(f'c{one}', 15.0, (Score(12, 0.95),), (20.0 * one, 100.0))
                for one in range(70)
            ]
        return found

    def step(self, at_s: float) -> None:
        if self.navigator is None:
            return
        command = self.navigator.step(self.now(at_s))
        self.limit = command.speed_limit_mps or math.inf
        stood_s = at_s - self.locked_s - self.plan.braking_s if self.lock else 0.0
        self.note_lock(at_s, lock=command.stop_lock)
        over = any(event.kind == 'go' for event in command.events)
        if over and self.set_to.velocity_source != 'none' and stood_s < HOLD_S - TICK_S - 1e-6:
            self.trace.rushed.append(
                f'at {at_s:.1f} s a stop is over after standing {stood_s:.1f} s'
            )
        if self.whole:
            now = self.in_force()
            self.force = {
                name: (max(mps, now[name][0]), locks and now[name][1])
                for name, (mps, locks) in self.force.items()
                if name in now
            }

    def note_lock(self, at_s: float, *, lock: bool) -> None:
        if lock and not self.lock:
            self.locked_s = at_s
        self.lock = lock

    def in_force(self) -> Force:
        assert self.navigator is not None
        now = {}
        for one in self.navigator.restrictions:
            slows = one.speed_mps is not None or one.percent is not None
            sign = f' for sign {one.track_id}' if one.track_id else ''  # each has its own bound
            now[one.name + sign] = (one.mps(CAP_MPS) if slows else math.inf, one.locks)
        if self.navigator.stale and self.set_to.on_stale == 'stop':
            now['stale'] = (math.inf, True)
        return now

    def run(self) -> Trace:
        made, trace = self.plan, self.trace
        pending = [('message', *one) for one in self.messages()]
        pending += [('tick', k * TICK_S, 0.0, '', 0) for k in range(int(made.seconds / TICK_S))]
        for at_s, value, percentage in made.other_limits:
            if value == 0 or not any(a <= at_s < b for a, b in made.kills):  # else unheard
                pending.append(('limit', at_s, value, 'percent' * percentage, 0))
        if not self.whole:
            pending += [('kill', a, b, '', 0) for a, b in made.kills]
            pending += [('start', b, 0.0, '', 0) for a, b in made.kills]
            pending += [('step', a, b, '', 0) for a, b in made.steps]
        for kind, at_s, value, text, _ in sorted(pending, key=lambda one: one[1]):
            if kind == 'step':
                self.offset_ns += round(value * SECOND)
            elif kind == 'kill':
                if self.navigator is not None:
                    self.text = text_from_navigator(self.navigator)
                self.navigator = None
                self.note_lock(at_s, lock=True)  # silence locks as well
            elif kind == 'start' and self.navigator is None:
                self.navigator = self.make()
                restore_navigator(self.navigator, self.text, self.now(at_s))
                self.step(at_s)
            elif self.navigator is None:
                if kind == 'tick':
                    self.note()
            elif kind == 'tick':
                self.odometry(at_s)
                self.step(at_s)
                self.note()
            elif kind == 'limit':
                self.navigator.observe_limit(value, self.now(at_s), percentage=bool(text))
                self.step(at_s)
            else:
                self.message(at_s, value, text)
        return trace

    def message(self, at_s: float, stamp_s: float, camera: str) -> None:
        assert self.navigator is not None
        self.shown = []
        found = self.seen(stamp_s, camera)
        # An image is stamped by the clock as it was then
        jumped_ns = sum(
            round(size_s * SECOND)
            for step_s, size_s in self.plan.steps
            if not self.whole and step_s <= stamp_s
        )
        stamp_ns = START_NS + round(stamp_s * SECOND) + jumped_ns
        fault = self.navigator.observe_signs(
            SignFrame(camera, stamp_ns, tuple(found)), self.now(at_s)
        )
        if not fault:
            for track_id in self.shown:
                self.trace.known_s.setdefault(track_id, stamp_s)
        self.step(at_s)

    def odometry(self, at_s: float) -> None:
        """Measure a robot that stands a moment after it is locked."""
        stands = self.lock and at_s - self.locked_s > self.plan.braking_s
        speed: float | None = 0.0 if stands else 8.0
        lost = self.plan.odometry_lost
        if lost and not self.whole and lost[0] <= at_s < lost[1]:
            speed = lost[2]
        if (
            speed is not None
            and self.navigator
            and self.plan.settings['velocity_source'] != 'none'
        ):
            self.navigator.observe_speed(speed, self.now(at_s))

    def note(self) -> None:
        """Keep what holds now."""
        self.trace.limits.append(self.limit)
        self.trace.locks.append(self.lock)
        if self.whole:
            self.trace.force.append(self.force)
            self.force = self.in_force()


def lag_s(made: Plan) -> float:
    """Return by how much later than undisturbed a stop may come into force."""
    return max(1.0, 2.5 / made.hz) + 1 / made.hz + made.delayed + 2 * TICK_S


def binding(whole: Trace, since: int, until: int) -> Force:
    """Return what was in force without a break from one tick to before another."""
    found = whole.force[since]
    for force in whole.force[since + 1 : until]:
        found = {
            name: (max(mps, force[name][0]), locks and force[name][1])
            for name, (mps, locks) in found.items()
            if name in force
        }
    return found


def faults(seed: int) -> tuple[Plan, list[str]]:
    """Drive once and return what the disturbed drive was allowed wrongly."""
    made = plan(random.Random(seed))
    disturbed = Run(made, None, seed).run()
    if disturbed.rushed:
        return made, disturbed.rushed
    whole = Run(made, disturbed.known_s, seed).run()
    # What slows comes into force with the first image that shows it, only a delay puts it off
    slow_back, stop_back = math.ceil(made.delayed / TICK_S) + 1, math.ceil(lag_s(made) / TICK_S)
    # Holds count by the arrival of images, so a delay may cut one by an image's time
    early_s = 1 / made.hz if made.delayed or made.steps else 0.0
    slow_ahead = math.ceil(early_s / TICK_S) + 1
    if made.settings['velocity_source'] != 'none':
        # A stop's time counts from standstill, by images
        early_s += made.braking_s + TOGETHER_S + TICK_S + 1 / made.hz
    stop_ahead = math.ceil(early_s / TICK_S) + 1
    # A hold that is counted by images cannot end after the last of them
    last = int((int(made.seconds * made.hz) - 1) / made.hz / TICK_S)
    for index, (limit, lock) in enumerate(zip(disturbed.limits, disturbed.locks, strict=True)):
        at_s = index * TICK_S
        if index + stop_ahead > last:
            break  # the undisturbed drive ends before it could be compared
        slow = binding(whole, max(index - slow_back, 0), index + slow_ahead)
        for name, (mps, _) in slow.items():
            if limit > mps + 1e-9:
                return made, [f'at {at_s:.1f} s {limit:.2f} m/s, undisturbed {mps:.2f}: {name}']
        if lock or index < stop_back:
            continue
        # While it was down nothing could begin; what had begun by then holds
        down = [a for a, b in made.kills if a <= at_s <= b + lag_s(made)]
        since = min(index, *(int(a / TICK_S) for a in down), index) - stop_back
        for name, (_, locks) in binding(whole, max(since, 0), index + stop_ahead).items():
            if locks:
                return made, [f'at {at_s:.1f} s unlocked, undisturbed locked: {name}']
    return made, []


def _counted(seed: int) -> tuple[int, tuple[str, ...], list[str]]:
    made, found = faults(seed)
    return seed, made.what, found


def main() -> int:
    """Drive as often as asked; 1 if any drive was faster."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--drives', type=int, default=2000)
    parser.add_argument('--seed', type=int, default=0, help='of the first drive')
    parser.add_argument('--jobs', type=int, default=1)
    args = parser.parse_args()
    kinds, wrong = Counter[str](), Counter[str]()
    seeds = range(args.seed, args.seed + args.drives)
    with multiprocessing.Pool(args.jobs) as pool:
        for seed, what, found in pool.imap_unordered(_counted, seeds, chunksize=64):
            kinds.update(what)
            if found:
                wrong.update(what)
                if wrong.total() < 60:
                    print(f'drive {seed} ({", ".join(what)}): {found[0]}')
    print(f'{args.drives} drives from {args.seed}; with: {dict(kinds.most_common())}')
    print(f'faster than undisturbed: {dict(wrong) or 0}')
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
