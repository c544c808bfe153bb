"""A bag played into a running node: what it says is what replay says."""

from collections.abc import Callable
from pathlib import Path

import pytest
from lifecycle_msgs.srv import GetState

from alexnet_ros.bags.reader import BagReader
from alexnet_ros.cli.main import main
from alexnet_ros.config import RecognizerSettings
from alexnet_ros.recognizer import Recognizer
from alexnet_ros.replay.recorded import Recorded
from alexnet_ros.replay.replay import ReplayOptions, replay_bag, score_recording
from alexnet_ros.report.write import read_report
from tests.boxes_bag import PERIOD_NS, START_NS, write_frames
from tests.ros.robot import DEADLINE_S, Bench, NodeProcess

SLOWLY = '0.25'  # of the bag's time, so that a busy machine looks at enough frames
CLASSES = [0] * 12 + [1] * 12 + [2] * 12


@pytest.mark.parametrize('compressed', [False, True])
def test_live_and_offline_results_agree(
    bench: Bench,
    start_node: Callable[..., NodeProcess],
    model: Path,
    tmp_path: Path,
    compressed: bool,
) -> None:
    bag = write_frames(tmp_path / 'bag', CLASSES, compressed=compressed)
    start_node(
        '-r',
        'image:=/camera/image',
        '-r',
        'image/compressed:=/camera/image/compressed',
        model=model,
        autostart=True,
        use_sim_time=True,
        image_transport='compressed' if compressed else 'raw',
    )

    def active() -> bool:
        return bench.call(GetState, '/alexnet/get_state').current_state.label == 'active'

    bench.until('the node is active', active)
    words = ['play', str(bag), '--record', str(tmp_path / 'live'), '--wait', str(DEADLINE_S)]
    assert main([*words, '--speed', SLOWLY]) == 0

    truth = tmp_path / 'truth.csv'
    truth.write_text('start_s,end_s,class_id\n0,0.39,0\n0.4,0.79,1\n0.8,1.2,2\n')
    options = ReplayOptions(truth=truth)
    scored = score_recording(bag, tmp_path / 'scored', tmp_path / 'live', options)
    with Recognizer.open(
        model, backend='cpu', settings=RecognizerSettings(regions='frame')
    ) as recognizer:
        replay_bag(bag, tmp_path / 'offline', recognizer, options)

    live, offline = Recorded(tmp_path / 'live'), Recorded(tmp_path / 'offline/results.mcap')
    assert live.names == offline.names
    stamps = [START_NS + index * PERIOD_NS for index in range(len(CLASSES))]
    processed = [s for s in stamps if live.recognition('', s, (1, 1)) is not None]
    assert len(processed) == len(live) == scored.processed >= len(CLASSES) // 4
    for stamp_ns in processed:
        one, two = (r.recognition('', stamp_ns, (1, 1)) for r in (live, offline))
        assert one is not None
        assert two is not None
        for seen, again in zip(one.detections, two.detections, strict=True):
            assert seen.bbox_xywh == again.bbox_xywh
            first, second = seen.classification.results[0], again.classification.results[0]
            assert first.class_id == second.class_id
            assert first.score == pytest.approx(second.score, abs=0.02 if compressed else 1e-5)
    report = read_report(tmp_path / 'scored')
    assert report['truth']['event_recall'] == 1.0
    assert report['model']['name'] == 'recorded'
    with BagReader(tmp_path / 'live') as recorded:
        # The bag's time, not the wall's; how many frames were out when the first result came
        # is the machine's affair.
        assert START_NS <= recorded.start_ns <= stamps[-1] + 1_000_000_000


def test_nobody_listening_is_said(
    bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench.node is not None
    bag = write_frames(tmp_path / 'bag', [0, 1])
    assert main(['play', str(bag), '--wait', '0.2']) == 1
    assert 'no subscriber on /camera/image' in capsys.readouterr().err
    assert main(['play', str(bag), '--topic', '/none']) == 1
    assert 'has no /none; it has /camera/image' in capsys.readouterr().err
    with pytest.raises(SystemExit) as stopped:
        main(['play', str(bag), '--rate', '0'])
    assert stopped.value.code == 2
