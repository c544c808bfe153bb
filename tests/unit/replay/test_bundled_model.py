"""The bundled model on the rendered drive; the whole drive is the demo's."""

from pathlib import Path

import pytest

from alexnet_ros.config import RecognizerSettings
from alexnet_ros.errors import ModelPackageError
from alexnet_ros.model_package import ModelPackage
from alexnet_ros.recognizer import Recognizer
from alexnet_ros.replay.replay import ReplayOptions, replay_bag, score_recording
from alexnet_ros.report.compare import gate
from alexnet_ros.report.write import read_report
from alexnet_ros.synthetic.drive import write_drive_bag


@pytest.mark.slow
def test_every_sign_is_confirmed_once_and_a_missing_one_is_named(tmp_path: Path) -> None:
    try:
        package = ModelPackage.load('signs')
    except ModelPackageError as error:
        pytest.skip(f'the model signs is not here: {error}')
    bag = tmp_path / 'bag'
    truth = write_drive_bag(bag, duration_s=9.2, rate_hz=15.0)
    assert [sign.class_id for sign in truth.signs] == [2, 12, 18, 1]
    with Recognizer.open(
        package, backend='cpu', settings=RecognizerSettings(regions='signs')
    ) as recognizer:
        replay_bag(bag, tmp_path / 'out', recognizer, ReplayOptions(truth=bag / 'boxes.csv'))
    report = read_report(tmp_path / 'out')
    assert gate([report], 1.0, 0) == []
    assert [sign['class_id'] for sign in report['signs']] == [2, 12, 18, 1]
    limits = [round(v * 3.6) for _, v in report['navigation']['speed_limit_mps'] if v]
    assert limits == [50, 30]

    lines = (bag / 'truth.csv').read_text().splitlines()
    short = tmp_path / 'short.csv'
    short.write_text('\n'.join(line for line in lines if 'General caution' not in line))
    score_recording(
        bag, tmp_path / 'scored', tmp_path / 'out/results.mcap', ReplayOptions(truth=short)
    )
    (reason,) = gate([read_report(tmp_path / 'scored')], 1.0, 0)
    assert 'General caution at' in reason
