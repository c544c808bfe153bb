import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alexnet_ros.bags.reader import BagReader
from alexnet_ros.bags.typestore import typestore
from alexnet_ros.bags.writer import BagWriter
from alexnet_ros.config import RecognizerSettings
from alexnet_ros.errors import BagError, EngineRunError, FileWriteError
from alexnet_ros.recognizer import Recognizer
from alexnet_ros.replay.replay import ReplayOptions, no_frames, replay_bag, score_recording
from alexnet_ros.report.write import read_report
from alexnet_ros.synthetic.drive import write_drive_bag
from alexnet_ros.synthetic.scene import PlacedSign
from tests.boxes_bag import PERIOD_NS, START_NS, write_frames

CLASSES = [0] * 6 + [1] * 6 + [2] * 6


def figures(folder: Path) -> dict[str, Any]:
    """Return a report without what may differ: the time it took and the bag's place."""
    report = read_report(folder)
    del report['timing'], report['bag']['path']
    return report


def test_replay_writes_results_report_and_video(tmp_path: Path, recognizer: Recognizer) -> None:
    write_frames(tmp_path / 'bag', CLASSES)
    run = replay_bag(tmp_path / 'bag', tmp_path / 'out', recognizer, ReplayOptions(video=True))
    assert run.complete
    assert run.processed == len(CLASSES)
    names = {path.name for path in (tmp_path / 'out').iterdir()}
    assert names - {'video.mp4', 'video.webm'} == {
        'results.mcap',
        'report.json',
        'report.html',
        'picture.jpg',
    }
    (video,) = (tmp_path / 'out').glob('video.*')
    assert f'src="{video.name}"' in (tmp_path / 'out/report.html').read_text()
    report = figures(tmp_path / 'out')
    assert [sign['class_name'] for sign in report['signs']] == ['red', 'green', 'blue']
    assert report['cameras']['']['processed'] == len(CLASSES)
    with BagReader(tmp_path / 'out/results.mcap') as bag:
        kinds = {topic: info.kind for topic, info in bag.topics.items()}
        assert kinds['/alexnet/classification'] == 'vision_msgs/msg/Classification'
        assert kinds['/alexnet/detections'] == 'vision_msgs/msg/Detection2DArray'
        messages = list(bag.messages(['/alexnet/classification']))
        found = [typestore().deserialize_cdr(m.data, m.kind) for m in messages]
        labels = next(bag.messages(['/alexnet/label_info']))
        info = typestore().deserialize_cdr(labels.data, labels.kind)
    assert [int(f.results[0].class_id) for f in found] == CLASSES
    assert [f.header.stamp.sec * 10**9 + f.header.stamp.nanosec for f in found] == [
        START_NS + i * PERIOD_NS for i in range(len(CLASSES))
    ]
    assert found[0].header.frame_id == 'camera'
    assert [one.class_name for one in info.class_map] == list(recognizer.package.labels.names)


def test_same_bag_gives_the_same_bytes(tmp_path: Path, recognizer: Recognizer) -> None:
    bag = write_frames(tmp_path / 'bag', CLASSES)
    for name in ('one', 'two'):
        replay_bag(bag, tmp_path / name, recognizer)
    one, two = (tmp_path / name / 'results.mcap' for name in ('one', 'two'))
    assert one.read_bytes() == two.read_bytes()
    assert figures(tmp_path / 'one') == figures(tmp_path / 'two')


def test_tracks_are_numbered_anew_for_each_bag(tmp_path: Path, colours: Path) -> None:
    truth = write_drive_bag(tmp_path / 'bag', signs=(PlacedSign(14, 18),), duration_s=1.2)
    settings = RecognizerSettings(regions='signs')
    with Recognizer.open(colours, backend='cpu', settings=settings) as recognizer:
        for name in ('one', 'two'):
            replay_bag(
                tmp_path / 'bag',
                tmp_path / name,
                recognizer,
                ReplayOptions(truth=tmp_path / 'bag/boxes.csv'),
            )
    one, two = (tmp_path / name / 'results.mcap' for name in ('one', 'two'))
    assert one.read_bytes() == two.read_bytes()
    report = figures(tmp_path / 'one')
    assert report == figures(tmp_path / 'two')
    assert report['signs']
    assert report['navigation']['events']
    assert report['truth']['events_expected'] == len(truth.signs) == 1


@pytest.mark.parametrize(
    'how',
    [
        {'storage': 'sqlite3'},
        {'split_messages': 5},
        {'compression': 'file'},
        {'compression': 'message', 'storage': 'sqlite3', 'split_messages': 4},
    ],
)
def test_every_form_of_bag_gives_the_same_numbers(
    tmp_path: Path, recognizer: Recognizer, how: dict[str, Any]
) -> None:
    replay_bag(write_frames(tmp_path / 'plain', CLASSES), tmp_path / 'one', recognizer)
    replay_bag(write_frames(tmp_path / 'form', CLASSES, **how), tmp_path / 'two', recognizer)
    assert figures(tmp_path / 'one') == figures(tmp_path / 'two')
    assert (tmp_path / 'one/results.mcap').read_bytes() == (
        tmp_path / 'two/results.mcap'
    ).read_bytes()


def test_compressed_images_give_the_same_classes(tmp_path: Path, recognizer: Recognizer) -> None:
    replay_bag(write_frames(tmp_path / 'raw', CLASSES), tmp_path / 'one', recognizer)
    replay_bag(
        write_frames(tmp_path / 'jpeg', CLASSES, compressed=True), tmp_path / 'two', recognizer
    )
    one, two = (figures(tmp_path / name)['signs'] for name in ('one', 'two'))
    assert [(s['class_id'], s['confirmed_s']) for s in one] == [
        (s['class_id'], s['confirmed_s']) for s in two
    ]


def test_cut_off_bag_is_used_as_far_as_it_goes(tmp_path: Path, recognizer: Recognizer) -> None:
    bag = write_frames(tmp_path / 'bag', CLASSES)
    path = bag / 'bag.mcap'
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    run = replay_bag(bag, tmp_path / 'out', recognizer)
    assert 0 < run.processed < len(CLASSES)
    report = figures(tmp_path / 'out')
    assert any('of 18 messages are lost' in loss for loss in report['bag']['losses'])
    html = (tmp_path / 'out/report.html').read_text()
    assert 'What of the bag could not be read' in html
    account = report['bag']['account']
    assert account['claimed'] == account['read'] + account['lost'] == len(CLASSES)
    numbers = ''.join(f'<td>{count}</td>' for count in (18, run.processed, 0, 0, account['lost']))
    assert f'<tr><td>/camera/image</td>{numbers}' in html


def test_several_cameras_are_told_apart(tmp_path: Path, recognizer: Recognizer) -> None:
    bag = write_frames(tmp_path / 'bag', CLASSES, topics=('/front/image', '/left/image'))
    replay_bag(bag, tmp_path / 'out', recognizer)
    report = figures(tmp_path / 'out')
    assert {name: c['processed'] for name, c in report['cameras'].items()} == {
        'front': 18,
        'left': 18,
    }
    with BagReader(tmp_path / 'out/results.mcap') as results:
        assert results.topics['/alexnet/left/detections'].messages == 18
    replay_bag(bag, tmp_path / 'one', recognizer, ReplayOptions(topics=('/left/image',)))
    assert list(figures(tmp_path / 'one')['cameras']) == ['']


def test_bad_images_are_counted_by_reason(tmp_path: Path, recognizer: Recognizer) -> None:
    with BagWriter(tmp_path / 'bag') as bag:
        for index in range(4):
            bag.write_image('/camera/image', START_NS + index, np.zeros((32, 32, 3), np.uint8))
        message = typestore().types['sensor_msgs/msg/Image'](
            header=typestore().types['std_msgs/msg/Header'](
                stamp=typestore().types['builtin_interfaces/msg/Time'](sec=5, nanosec=0),
                frame_id='',
            ),
            height=32,
            width=32,
            encoding='rgb8',
            is_bigendian=0,
            step=96,
            data=np.zeros(10, np.uint8),
        )
        bag.write('/camera/image', message, START_NS + 9)
        bag.write_raw('/camera/image', 'sensor_msgs/msg/Image', b'', START_NS + 10)
    run = replay_bag(tmp_path / 'bag', tmp_path / 'out', recognizer)
    assert run.camera('').rejected == {'short_data': 1}
    assert run.processed == 4
    assert run.losses


def test_engine_error_costs_its_frame_only(tmp_path: Path, recognizer: Recognizer) -> None:
    bag = write_frames(tmp_path / 'bag', CLASSES)
    infer, calls = recognizer.engine.infer, []

    def sometimes(batch: Any, **how: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise EngineRunError('NaN')
        return infer(batch, **how)

    recognizer.engine.infer = sometimes  # type: ignore[method-assign]
    run = replay_bag(bag, tmp_path / 'out', recognizer)
    assert run.camera('').rejected == {'inference': 1}
    assert run.processed == len(CLASSES) - 1


def test_stopping_leaves_a_valid_partial_report(tmp_path: Path, recognizer: Recognizer) -> None:
    bag = write_frames(tmp_path / 'bag', CLASSES)
    calls = []

    def stop() -> None:
        calls.append(1)
        if len(calls) == 7:
            raise KeyboardInterrupt

    run = replay_bag(bag, tmp_path / 'out', recognizer, ReplayOptions(on_frame=stop, video=True))
    assert not run.complete
    report = read_report(tmp_path / 'out')
    assert report['complete'] is False
    assert report['cameras']['']['processed'] == 7
    assert 'stopped before the end' in (tmp_path / 'out/report.html').read_text()
    with BagReader(tmp_path / 'out/results.mcap') as results:
        assert not results.losses
        assert results.topics['/alexnet/detections'].messages == 7


def test_truth_scores_whole_frames(tmp_path: Path, recognizer: Recognizer) -> None:
    bag = write_frames(tmp_path / 'bag', CLASSES)
    truth = tmp_path / 'truth.csv'
    truth.write_text('start_s,end_s,class_name\n0,0.19,red\n0.2,0.39,green\n0.4,0.6,blue\n')
    replay_bag(bag, tmp_path / 'out', recognizer, ReplayOptions(truth=truth))
    found = figures(tmp_path / 'out')['truth']
    assert (found['event_precision'], found['event_recall'], found['frame_accuracy']) == (1, 1, 1)
    assert found['errors'] == []


def test_realtime_keeps_the_newest(tmp_path: Path, recognizer: Recognizer) -> None:
    bag = write_frames(tmp_path / 'bag', CLASSES)
    run = replay_bag(bag, tmp_path / 'out', recognizer, ReplayOptions(realtime=True, rate=100.0))
    count = run.camera('')
    assert count.read == len(CLASSES) == count.processed + count.dropped
    assert count.processed >= 1
    assert run.end_ns == START_NS + (len(CLASSES) - 1) * PERIOD_NS


def test_recorded_results_score_like_the_replay(tmp_path: Path, recognizer: Recognizer) -> None:
    bag = write_frames(tmp_path / 'bag', CLASSES)
    truth = tmp_path / 'truth.csv'
    truth.write_text(
        'stamp_s,class_id\n'
        + ''.join(f'{i * PERIOD_NS / 1e9:.9f},{c}\n' for i, c in enumerate(CLASSES))
    )
    options = ReplayOptions(truth=truth)
    replay_bag(bag, tmp_path / 'one', recognizer, options)
    run = score_recording(bag, tmp_path / 'two', tmp_path / 'one/results.mcap', options)
    one, two = (figures(tmp_path / name) for name in ('one', 'two'))
    assert run.processed == len(CLASSES)
    assert one['cameras'] == two['cameras']
    assert one['truth']['frame_accuracy'] == two['truth']['frame_accuracy'] == 1


def test_nothing_to_replay_is_said_in_one_line(tmp_path: Path, recognizer: Recognizer) -> None:
    with BagWriter(tmp_path / 'bag') as bag:
        bag.write('/lock', typestore().types['std_msgs/msg/Bool'](data=True), 1)
    with pytest.raises(BagError, match='no images; it has /lock'):
        replay_bag(tmp_path / 'bag', tmp_path / 'out', recognizer)
    (tmp_path / 'file').write_text('')
    write_frames(tmp_path / 'good', [0])
    with pytest.raises(FileWriteError, match='cannot be written'):
        replay_bag(tmp_path / 'good', tmp_path / 'file', recognizer)
    with pytest.raises(BagError, match='no images on /other'):
        replay_bag(
            tmp_path / 'good', tmp_path / 'out', recognizer, ReplayOptions(topics=('/other',))
        )


def test_report_says_what_changed(tmp_path: Path, recognizer: Recognizer) -> None:
    replay_bag(write_frames(tmp_path / 'bag', CLASSES), tmp_path / 'one', recognizer)
    other = json.loads((tmp_path / 'one/report.json').read_text())
    other['signs'][1]['class_id'], other['signs'][1]['class_name'] = 3, 'grey'
    del other['signs'][2]
    (tmp_path / 'other.json').write_text(json.dumps(other))
    replay_bag(
        tmp_path / 'bag',
        tmp_path / 'two',
        recognizer,
        ReplayOptions(compare=tmp_path / 'other.json'),
    )
    changes = read_report(tmp_path / 'two')['compared']['signs']
    assert [(c['kind'], c['text'].split()[0]) for c in changes] == [
        ('class', 'green'),
        ('new', 'blue'),
    ]
    assert 'was grey' in changes[0]['text']
    with pytest.raises(BagError, match='cannot be read'):
        replay_bag(
            tmp_path / 'bag',
            tmp_path / 'two',
            recognizer,
            replace(ReplayOptions(), compare=tmp_path / 'none.json'),
        )


def test_bag_without_one_usable_frame_is_an_error(tmp_path: Path, recognizer: Recognizer) -> None:
    with BagWriter(tmp_path / 'bag') as bag:
        for index in range(4):
            bag.write_jpeg('/camera/image/compressed', START_NS + index, b'\xff\xd8\xff no JPEG')
    run = replay_bag(tmp_path / 'bag', tmp_path / 'out', recognizer)
    assert (run.processed, run.account['read']) == (0, 0)
    assert 'not one frame of' in no_frames(run)
    assert 'of 4 messages 4 were rejected and 0 are lost' in no_frames(run)


@pytest.mark.parametrize(
    ('stamp_of', 'reason'),
    [
        (lambda _index: 0, 'no_stamp'),
        (lambda index: 10**9 + index * PERIOD_NS, 'too_old'),
        (lambda index: 2 * START_NS + index * PERIOD_NS, 'future'),
    ],
)
def test_stamps_are_judged_as_on_the_robot(
    tmp_path: Path, recognizer: Recognizer, stamp_of: Any, reason: str
) -> None:
    with (
        BagReader(write_frames(tmp_path / 'good', CLASSES)) as good,
        BagWriter(tmp_path / 'bag') as bag,
    ):
        for index, image in enumerate(good.images()):
            seconds, rest = divmod(stamp_of(index), 10**9)
            stamp = typestore().types['builtin_interfaces/msg/Time'](sec=seconds, nanosec=rest)
            header = replace(image.message.header, stamp=stamp)
            bag.write('/camera/image', replace(image.message, header=header), image.log_ns)
    options = ReplayOptions(actions='heading_actions.yaml')
    run = replay_bag(tmp_path / 'bag', tmp_path / 'out', recognizer, options)
    assert run.processed == len(CLASSES)
    assert f'as on the robot: {len(CLASSES)} {reason}' in ' '.join(run.losses)
    report = figures(tmp_path / 'out')
    assert all(0 <= sign['confirmed_s'] < 10 for sign in report['signs'])
