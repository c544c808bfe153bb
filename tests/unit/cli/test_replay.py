import json
from pathlib import Path

import pytest

from alexnet_ros.cli.main import main
from tests.models import tiny_package
from tests.unit.replay.boxes_bag import write_frames


@pytest.fixture
def place(tmp_path: Path) -> Path:
    tiny_package(tmp_path / 'model')
    write_frames(tmp_path / 'bag', [0] * 6 + [1] * 6)
    (tmp_path / 'bag/truth.csv').write_text('start_s,end_s,class_id\n0,0.19,0\n0.2,0.4,1\n')
    return tmp_path


def replay(place: Path, *words: str, bag: str = 'bag') -> int:
    return main(
        [
            'replay',
            str(place / bag),
            '--output',
            str(place / 'out'),
            '--model',
            str(place / 'model'),
            '--backend',
            'cpu',
            '--regions',
            'frame',
            *words,
        ]
    )


def test_replay_prints_the_signs_and_passes_the_gate(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = replay(place, '--truth', 'truth.csv', '--min-recall', '1', '--max-false', '0')
    out, err = capsys.readouterr()
    assert code == 0
    assert 'red' in out
    assert 'event precision 1.000' in out
    assert 'frames/s' in err
    assert (place / 'out/report.html').exists()


def test_sign_missing_in_the_truth_fails_and_is_named(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / 'short.csv').write_text('start_s,end_s,class_id\n0,0.19,0\n')
    code = replay(place, '--truth', str(place / 'short.csv'), '--max-false', '0')
    assert code == 1
    assert 'green at' in capsys.readouterr().err


def test_json_is_one_line(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert replay(place, '--truth', 'truth.csv', '--json') == 0
    found = json.loads(capsys.readouterr().out)
    assert found['event_recall'] == 1.0
    assert found['frames'] == 12


def test_many_bags_are_summed_up(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / 'bags').mkdir()
    (place / 'bag').rename(place / 'bags/one')
    write_frames(place / 'bags/two', [0] * 4)
    (place / 'bags/two/truth.csv').write_text('start_s,end_s,class_id\n0,5,1\n')
    code = replay(place, '--truth', 'truth.csv', '--min-recall', '0.9', bag='bags')
    out, err = capsys.readouterr()
    assert code == 1
    assert '2 bags, 0 failed, 16 frames' in out
    assert 'event recall 0.667' in err
    assert (place / 'out/one/report.html').exists()
    assert (place / 'out/index.html').exists()


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        (['--topic', '/none'], 'no images on /none'),
        (['--set', 'top_k'], 'NAME=VALUE'),
        (['--set', 'nonsense=1'], 'unknown setting'),
        (['--truth', 'absent.csv'], 'cannot be read'),
        (['--compare', 'absent.json'], 'cannot be read'),
        (['--results', 'absent'], 'is no bag'),
    ],
)
def test_wrong_words_end_in_one_line(
    place: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert replay(place, *words) == 1
    err = capsys.readouterr().err.strip().splitlines()[-1]
    assert err.startswith('alexnet_ros replay:')
    assert said in err


def test_no_bag_is_one_line(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert replay(place, bag='absent') == 1
    assert 'is no bag' in capsys.readouterr().err


def test_collect_feeds_evaluate(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        'collect',
        str(place / 'bag'),
        '--output',
        str(place / 'set'),
        '--model',
        str(place / 'model'),
        '--backend',
        'cpu',
        '--regions',
        'frame',
        '--by',
        'rate',
        '--rate',
        '1000',
        '--json',
    ]
    assert main(words) == 0
    found = json.loads(capsys.readouterr().out)
    assert found['added'] == found['labelled'] >= 2
    assert (
        main(
            [
                'evaluate',
                '--model',
                str(place / 'model'),
                '--backend',
                'cpu',
                '--json',
                '--manifest',
                str(place / 'set/manifest.csv'),
            ]
        )
        == 0
    )
    assert json.loads(capsys.readouterr().out)['top1'] == 1.0
    assert main(['collect', '--output', str(place / 'set'), '--json']) == 0
    assert json.loads(capsys.readouterr().out)['added'] == 0
