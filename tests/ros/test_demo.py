"""The demo's whole chain: processes, lifecycle, playing, printing, results."""

import json
import os
import subprocess
import sys
from pathlib import Path

from alexnet_ros.bags.reader import BagReader
from alexnet_ros.synthetic import drive

ROOT = Path(__file__).resolve().parents[2]


def _demo(*words: object) -> 'subprocess.CompletedProcess[str]':
    return subprocess.run(
        [sys.executable, '-m', 'alexnet_ros', 'demo', *map(str, words)],
        cwd=ROOT,
        text=True,
        capture_output=True,
        check=False,
        timeout=1200,
        env=dict(os.environ),
    )


def test_demo_of_a_bag_answers_with_the_inputs_stamps(tmp_path: Path, model: Path) -> None:
    drive.write_drive_bag(tmp_path / 'bag', compressed=True, duration_s=2.0, rate_hz=10.0)
    out = tmp_path / 'out'
    done = _demo(
        *('--bag', tmp_path / 'bag', '--model', model, '--regions', 'frame', '--output', out),
        *('--speed', '0.5'),  # so that a busy machine answers some
    )
    assert done.returncode == 0, done.stderr
    assert 'of 20 frames were classified' in done.stdout
    assert "all stamps equal the input's" in done.stdout
    with BagReader(out / 'results.mcap') as reader:
        assert reader.topics['/alexnet/label_info'].messages == 1
        assert reader.topics['/alexnet/classification'].messages >= 1
        assert reader.topics['/stop_lock'].messages >= 1
        spans = {
            topic: [message.log_ns for message in reader.messages([topic])]
            for topic in ('/camera/image/compressed', '/alexnet/annotations', '/stop_lock')
        }
        first, last = (
            min(spans['/camera/image/compressed']),
            max(spans['/camera/image/compressed']),
        )
        assert first == drive.START_NS
        for topic, times in spans.items():  # one time axis, the bag's own
            assert first - 10**9 <= min(times), topic
            assert max(times) <= last + 60 * 10**9, topic
    layout = (ROOT / 'config/foxglove_layout.json').read_text()
    for topic in ('/camera/image/compressed', '/alexnet/annotations', '/speed_limit'):
        assert f'"{topic}' in layout
    assert 'alexnet_ros recognize photo.jpg' in done.stdout
    assert (out / 'report.html').as_uri() in done.stdout
    assert 'src="video.' in (out / 'report.html').read_text()
    report = json.loads((out / 'report.json').read_text())
    assert report['cameras']['']['read'] == 20
    assert report['engine']['backend'] in {'onnxruntime', 'openvino'}
    assert report['model']['name']
    assert (out / 'report.html').is_file()


def test_demo_with_an_altered_model_is_one_line_and_wrong_usage_is_2(
    tmp_path: Path, model: Path
) -> None:
    drive.write_drive_bag(tmp_path / 'bag', compressed=True, duration_s=0.2)
    done = _demo(
        '--bag', tmp_path / 'bag', '--model', model, '--output', tmp_path / 'out', '--rate', 'fast'
    )
    assert done.returncode == 2
    onnx = next(model.glob('*.onnx'))
    broken = tmp_path / 'broken'
    broken.mkdir()
    for path in model.iterdir():
        (broken / path.name).write_bytes(path.read_bytes())
    (broken / onnx.name).write_bytes(b'no network')
    done = _demo('--bag', tmp_path / 'bag', '--model', broken, '--output', tmp_path / 'out')
    assert done.returncode == 1
    assert onnx.name in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
