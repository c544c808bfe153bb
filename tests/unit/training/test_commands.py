import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from alexnet_ros.cli.main import main
from alexnet_ros.model_package import ModelPackage

SMALL = (
    '--input-px',
    '67',
    '--fc6-rank',
    '8',
    '--fc7-rank',
    '8',
    '--batch',
    '8',
    '--steps',
    '3',
    '--threads',
    '0',
    '--augmentation',
    'none',
    '--no-half',
)


@pytest.mark.slow
def test_train_compress_export_evaluate_in_a_row(
    shapes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / 'run'
    data = ['--data', str(shapes), '--group', '(.*)_[0-9]']
    assert (
        main(
            [
                'train',
                *data,
                *SMALL,
                '--background-share',
                '0.2',
                '--background-count',
                '20',
                '--output',
                str(run),
            ]
        )
        == 0
    )
    assert 'checkpoint.safetensors' in capsys.readouterr().out
    assert (
        main(
            [
                'compress',
                str(run / 'checkpoint.safetensors'),
                '--fc6-rank',
                '4',
                '--output',
                str(run / 'small.safetensors'),
            ]
        )
        == 0
    )
    assert 'fc6: rank 4' in capsys.readouterr().out
    assert (
        main(
            [
                'export',
                str(run / 'small.safetensors'),
                *data,
                '--role',
                'shape',
                '--output',
                str(tmp_path / 'shapes_model'),
            ]
        )
        == 0
    )
    package = ModelPackage.load(tmp_path / 'shapes_model')
    assert package.default_precision == 'int8'
    assert package.labels.names == ('cross', 'disc', 'square', 'triangle', 'background')
    assert package.scores.unknown_class_id == 4
    assert package.metrics['int8']['images'] == 16
    assert package.metrics['parity']['fp32']['max_abs'] < 1e-3
    assert package.architecture['fc6_rank'] == 4
    capsys.readouterr()
    assert (
        main(['evaluate', '--model', str(package.folder), '--images', str(shapes), '--json']) == 0
    )
    assert json.loads(capsys.readouterr().out)['images'] == 160


def test_recipe_gives_settings_and_options_override(
    shapes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / 'r.yaml').write_text('rate: 0.5\nstepz: 3\n')
    arguments = [
        'train',
        '--data',
        str(shapes),
        '--recipe',
        str(tmp_path / 'r.yaml'),
        '--output',
        str(tmp_path / 'run'),
    ]
    assert main(arguments) == 1
    assert "unknown setting 'stepz'" in capsys.readouterr().err
    (tmp_path / 'r.yaml').write_text('rate: 50.0\n')
    assert main(arguments) == 1
    assert 'lr must be in' in capsys.readouterr().err


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ('train', 'compress', 'export', 'evaluate'):
        with pytest.raises(SystemExit) as stop:
            main([command, '--help'])
        assert stop.value.code == 0
        assert 'alexnet_ros' in capsys.readouterr().out.split('options:')[1]


def test_export_needs_exactly_one_source(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['export', '--output', 'x']) == 2
    assert 'either' in capsys.readouterr().err


@pytest.mark.slow
def test_two_processes_train_together(shapes: Path, tmp_path: Path) -> None:
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'MASTER_ADDR': '127.0.0.1'}
    command = [
        sys.executable,
        '-m',
        'torch.distributed.run',
        '--standalone',
        '--nproc-per-node',
        '2',
        '-m',
        'alexnet_ros',
        'train',
        '--data',
        str(shapes),
        *SMALL,
        '--check-every',
        '3',
        '--output',
        str(tmp_path / 'run'),
    ]
    done = subprocess.run(
        command,
        env=environment,
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    assert done.returncode == 0, done.stderr
    rows = (tmp_path / 'run/metrics.csv').read_text().splitlines()
    assert rows[1].startswith('3,48,')  # three steps of two times eight images
