from alexnet_ros.config import NavigatorSettings
from alexnet_ros.navigation import find_table, read_table
from alexnet_ros.navigation.offline import OfflineNavigator
from alexnet_ros.records import Classification, ClassScore, Detection, Recognition

SECOND = 10**9
LIMIT_50, STOP = 2, 14


def names() -> dict[int, str]:
    table = read_table(find_table('sign_actions.yaml'))
    return {class_id: action.class_name for class_id, action in table.items()}


def frame(at_s: float, class_id: int | None = None, camera: str = '') -> Recognition:
    detections = ()
    if class_id is not None:
        result = Classification((ClassScore(class_id, '', 0.99),), unknown=False)
        detections = (Detection((0.0, 0.0, 50.0, 50.0), result, track_id=str(class_id)),)
    return Recognition(camera, round(at_s * SECOND), (640, 480), detections)


def drive(
    guide: OfflineNavigator, seconds: float, class_id: int | None = None, start: float = 1.0
):
    told = []
    for index in range(int(seconds * 10)):
        told += guide.add(frame(start + index / 10, class_id))
    return told


def test_limit_goes_out_at_once_and_twice_a_second() -> None:
    guide = OfflineNavigator(names(), NavigatorSettings(max_speed_mps=30.0))
    told = drive(guide, 5.0, LIMIT_50)
    sent = [one for one in told if one.limit_mps is not None]
    assert {round(one.limit_mps * 3.6) for one in sent if one.limit_mps} == {50}
    assert 9 <= len(sent) <= 11
    assert [round(v * 3.6) for _, v in guide.log.limits if v is not None] == [50]


def test_stop_locks_and_lets_go() -> None:
    guide = OfflineNavigator(names())
    drive(guide, 0.5)
    drive(guide, 0.5, STOP, 1.5)
    drive(guide, 5.0, None, 2.0)
    locks = [lock for _, lock in guide.log.locks]
    assert locks == [False, True, False]
    kinds = [event.kind for _, event in guide.log.events]
    assert kinds.index('stop') < kinds.index('go')


def test_steps_fill_gaps_between_frames() -> None:
    guide = OfflineNavigator(names())
    guide.add(frame(1.0))
    told = guide.add(frame(2.0))
    assert [one.at_ns for one in told] == [SECOND + k * SECOND // 10 for k in range(1, 11)]
    assert len(guide.add(frame(3600.0))) <= 101  # an hour's pause is not stepped through


def test_another_camera_a_little_behind_is_no_jump() -> None:
    guide = OfflineNavigator(names())
    guide.add(frame(10.0, camera='front'))
    guide.add(frame(9.9, camera='left'))
    assert 'clock_jump' not in [event.kind for _, event in guide.log.events]
    guide.add(frame(2.0, camera='front'))
    guide.add(frame(2.1, camera='front'))
    assert 'clock_jump' in [event.kind for _, event in guide.log.events]
