import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from alexnet_ros.bags.reader import BagReader
from alexnet_ros.cli.main import main
from tests.boxes_bag import write_frames
from tests.models import tiny_package


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
        (['--truth', 'absent.csv'], 'cannot be read'),
        (['--compare', 'absent.json'], 'cannot be read'),
        (['--results', 'absent'], 'is not a bag'),
    ],
)
def test_wrong_words_end_in_one_line(
    place: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert replay(place, *words) == 1
    err = capsys.readouterr().err.strip().splitlines()[-1]
    assert err.startswith('alexnet_ros replay:')
    assert said in err


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        (['--set', 'top_k'], 'NAME=VALUE'),
        (['--set', 'nonsense=1'], 'unknown setting'),
        (['--min-recall', '1.5'], 'from 0 to 1'),
        (['--min-recall', 'nan'], 'from 0 to 1'),
        (['--max-false', '-1'], '0 or more'),
        (['--jobs', '0'], 'from 1 to 256'),
        (['--backend', 'abacus'], 'invalid choice'),
        (['--regions', 'detections'], 'invalid choice'),
    ],
)
def test_value_out_of_range_is_wrong_usage(
    place: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        replay(place, *words)
    assert stopped.value.code == 2
    assert said in capsys.readouterr().err


def test_no_bag_is_one_line(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert replay(place, bag='absent') == 1
    assert 'is not a bag' in capsys.readouterr().err


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


def test_interrupt_ends_with_a_partial_report(place: Path) -> None:
    write_frames(place / 'long', [0] * 3000)  # a hundred seconds: it is interrupted in time
    words = [
        'replay',
        str(place / 'long'),
        '--output',
        str(place / 'out'),
        '--model',
        str(place / 'model'),
        '--backend',
        'cpu',
        '--regions',
        'frame',
        '--realtime',
    ]
    # A shell in the background hands "ignore" down; a terminal does not.
    code = (
        'import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); '
        'from alexnet_ros.cli import progress; progress.LINE_EVERY_S = 0.1; '
        'from alexnet_ros.cli.main import main; sys.exit(main(sys.argv[1:]))'
    )
    process = subprocess.Popen(
        [sys.executable, '-c', code, *words],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if '/3000' in line and ' 0/3000' not in line:
            process.send_signal(signal.SIGINT)
            break
    rest = process.communicate(timeout=1200)[1]
    assert process.returncode == 130
    assert 'stopped early' in rest
    report = json.loads((place / 'out/report.json').read_text())
    assert report['complete'] is False
    with BagReader(place / 'out/results.mcap') as results:
        assert not results.losses
        assert results.topics['/alexnet/detections'].messages < 3000
