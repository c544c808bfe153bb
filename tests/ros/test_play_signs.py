"""A drive past signs, played into a running node: the same signs as ``replay`` finds."""

from collections.abc import Callable
from pathlib import Path

import pytest
from lifecycle_msgs.srv import GetState

from alexnet_ros.bags.reader import BagReader
from alexnet_ros.bags.writer import BagWriter
from alexnet_ros.cli.main import main
from alexnet_ros.errors import ModelPackageError
from alexnet_ros.model_package import ModelPackage
from alexnet_ros.replay.recorded import Recorded
from alexnet_ros.synthetic.drive import write_drive_bag
from alexnet_ros.synthetic.scene import PlacedSign
from tests.ros.robot import DEADLINE_S, Bench, NodeProcess

SIGNS = (PlacedSign(2, 16, roll_deg=1.5), PlacedSign(12, 28, lateral_m=2.8))
SIZE_WH = (640, 480)
SLOWLY = '0.25'  # of the bag's time, so that a busy machine looks at nearly every frame
Signs = tuple[tuple[str | None, bool, int], ...]


@pytest.fixture(name='signs')
def _signs() -> Path:
    try:
        return ModelPackage.load('signs').folder
    except ModelPackageError as error:
        pytest.skip(f'the model signs is not here: {error}')


def only(bag: Path, stamps_ns: set[int], copy: Path) -> Path:
    """Copy the images with these stamps, as they are stored."""
    with BagReader(bag) as reader, BagWriter(copy) as writer:
        for one in reader.images():
            if one.stamp_ns in stamps_ns:
                (message,) = (m for m in reader.messages([one.topic]) if m.log_ns == one.log_ns)
                writer.write_raw(message.topic, message.kind, message.data, message.log_ns)
    return copy


def confirmed(results: Recorded, stamps_ns: list[int]) -> Signs:
    """Return what each frame says of its tracks: id, first time, class."""
    frames = [results.recognition('', one, SIZE_WH) for one in stamps_ns]
    return tuple(
        (one.track_id, one.newly_confirmed, one.classification.results[0].class_id)
        for frame in frames
        if frame is not None
        for one in frame.detections
        if one.track_id
    )


@pytest.mark.parametrize('compressed', [False, True])
def test_live_and_offline_find_the_same_signs_and_tracks(
    bench: Bench,
    start_node: Callable[..., NodeProcess],
    signs: Path,
    tmp_path: Path,
    compressed: bool,
) -> None:
    bag = tmp_path / 'bag'
    truth = write_drive_bag(bag, compressed=compressed, signs=SIGNS, duration_s=2.9, rate_hz=10.0)
    start_node(
        '-r',
        'image:=/camera/image',
        '-r',
        'image/compressed:=/camera/image/compressed',
        model=signs,
        backend='cpu',
        regions='signs',
        autostart=True,
        use_sim_time=True,
        image_transport='compressed' if compressed else 'raw',
    )

    def active() -> bool:
        return bench.call(GetState, '/alexnet/get_state').current_state.label == 'active'

    bench.until('the node is active', active)
    words = ['play', str(bag), '--record', str(tmp_path / 'live'), '--wait', str(DEADLINE_S)]
    assert main([*words, '--speed', SLOWLY]) == 0
    live = Recorded(tmp_path / 'live')
    with BagReader(bag) as reader:
        sent = [one.stamp_ns for one in reader.images()]
    seen = [one for one in sent if live.recognition('', one, SIZE_WH) is not None]
    assert len(live) == len(seen) >= truth.frames // 4

    # Tracks depend on which frames were looked at, so replay gets those and no others.
    same = bag if seen == sent else only(bag, set(seen), tmp_path / 'same')
    words = ['replay', str(same), '--model', str(signs), '--backend', 'cpu']
    assert main([*words, '--output', str(tmp_path / 'offline')]) == 0
    live, offline = Recorded(tmp_path / 'live'), Recorded(tmp_path / 'offline/results.mcap')
    assert live.names == offline.names
    assert len(offline) == len(seen)
    for stamp_ns in seen:
        one, two = (r.recognition('', stamp_ns, SIZE_WH) for r in (live, offline))
        assert one == two  # boxes, every hypothesis, unknown, track ids, confirmations

    live, offline = Recorded(tmp_path / 'live'), Recorded(tmp_path / 'offline/results.mcap')
    found = confirmed(live, seen)
    assert found == confirmed(offline, seen)
    assert [class_id for _, new, class_id in found if new] == [2, 12]
