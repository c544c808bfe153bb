"""A navigator on clocks that the test turns."""

from dataclasses import dataclass, field

from alexnet_ros.config import NavigatorSettings, settings_from_mapping
from alexnet_ros.navigation import (
    ActionTable,
    ClassFrame,
    Command,
    Event,
    Moment,
    Navigator,
    Score,
    SignFrame,
    SignSeen,
    find_table,
    read_table,
)

START_NS = 1_750_000_000 * 10**9
STOP, YIELD, LIMIT_30, LIMIT_50, LIMIT_80, LIMIT_120 = 14, 13, 1, 2, 5, 8
END_OF_80, END_OF_ALL, ROAD_WORK = 6, 32, 25
SIGN_TABLE = read_table(find_table('sign_actions.yaml'))


def sign(
    class_id: int, track_id: str = '1', height_px: float = 40.0, score: float = 0.99
) -> SignSeen:
    return SignSeen(track_id, height_px, (Score(class_id, score),))


@dataclass
class Drive:
    """Feeds a navigator at 10 Hz and keeps every command and event."""

    settings: dict[str, object] = field(default_factory=dict)
    table: ActionTable = field(default_factory=lambda: SIGN_TABLE)
    ros_ns: int = START_NS
    steady_ns: int = 10**9
    age_ns: int = 100_000_000
    camera: str = ''
    commands: list[Command] = field(default_factory=list)

    def __post_init__(self) -> None:
        values = {'max_speed_mps': 30.0, **self.settings}
        self.navigator = Navigator(settings_from_mapping(NavigatorSettings, values), self.table)

    @property
    def now(self) -> Moment:
        return Moment(self.ros_ns, self.steady_ns)

    @property
    def last(self) -> Command:
        return self.commands[-1]

    @property
    def events(self) -> list[Event]:
        return [event for command in self.commands for event in command.events]

    def kinds(self, *wanted: str) -> list[str]:
        return [event.kind for event in self.events if not wanted or event.kind in wanted]

    def wait(self, seconds: float) -> Command:
        """Let time pass without an image."""
        for _ in range(max(round(seconds * 10), 1)):
            self.ros_ns += 10**8
            self.steady_ns += 10**8
            self.commands.append(self.navigator.step(self.now))
        return self.last

    def see(self, *signs: SignSeen, seconds: float = 0.1, camera: str = '') -> Command:
        """Show the same signs at 10 Hz."""
        for _ in range(max(round(seconds * 10), 1)):
            self.ros_ns += 10**8
            self.steady_ns += 10**8
            self.fault = self.navigator.observe_signs(
                SignFrame(camera, self.ros_ns - self.age_ns, signs), self.now
            )
            self.commands.append(self.navigator.step(self.now))
        return self.last

    def approach(
        self, class_id: int, track_id: str, start_px: float, end_px: float, seconds: float = 1.0
    ) -> Command:
        """Come nearer to a sign, whose box grows, up to its last sight."""
        count = max(round(seconds * 10), 2)
        for index in range(count):
            height_px = start_px + (end_px - start_px) * index / (count - 1)
            self.see(sign(class_id, track_id, height_px))
        return self.last

    def classify(self, *scores: tuple[int, float], frames: int = 1) -> Command:
        """Show the same whole-frame classes at 10 Hz."""
        for _ in range(frames):
            self.ros_ns += 10**8
            self.steady_ns += 10**8
            self.fault = self.navigator.observe_classes(
                ClassFrame(
                    self.camera, self.ros_ns - self.age_ns, tuple(Score(*one) for one in scores)
                ),
                self.now,
            )
            self.commands.append(self.navigator.step(self.now))
        return self.last
