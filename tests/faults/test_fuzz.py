"""Invented settings and bags; a short run of the coverage-guided fuzzer."""

import contextlib
import importlib.util
import math
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from alexnet_ros.bags.reader import BagReader
from alexnet_ros.bags.writer import BagWriter
from alexnet_ros.config import (
    ClassifierSettings,
    NavigatorSettings,
    flat_fields,
    settings_from_mapping,
)
from alexnet_ros.errors import AlexnetRosError, ConfigError
from tests.faults.faults import fault, mutations
from tests.ros.robot import ROOT

KINDS = {'classifier': ClassifierSettings, 'navigator': NavigatorSettings}
values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=30),
    st.lists(st.one_of(st.integers(), st.text(max_size=5), st.floats()), max_size=5),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=3),
)


@pytest.mark.parametrize('name', KINDS)
@fault(
    'fuzzing',
    'configuration (hypothesis)',
    'any values in any settings, and unknown names',
    'a valid configuration or ConfigError in one line',
)
def test_any_settings_are_valid_or_refused(name: str) -> None:
    kind = KINDS[name]
    fields = flat_fields(kind)

    @settings(max_examples=200, derandomize=True)
    @given(
        st.dictionaries(
            st.one_of(st.sampled_from(sorted(fields)), st.text(max_size=10)), values, max_size=4
        )
    )
    @example({'score_threshold': math.nan})
    @example({'max_speed_mps': math.inf})
    def check(given_values: dict[str, Any]) -> None:
        mutations()
        try:
            made = settings_from_mapping(kind, given_values)
        except ConfigError as error:
            refusals.append(str(error))
            return
        for one, value in given_values.items():
            low, high = fields[one].metadata['low'], fields[one].metadata['high']
            if low is not None and not isinstance(value, list):
                assert low <= value <= high
        assert isinstance(made, kind)

    refusals: list[str] = []
    check()
    assert not [one for one in refusals if '\n' in one]


@pytest.mark.parametrize(
    ('storage', 'compression'), [('mcap', ''), ('mcap', 'storage'), ('sqlite3', '')]
)
@fault(
    'fuzzing',
    'bag reader (hypothesis)',
    'bags with altered, cut and inserted bytes',
    'images, or a loss that is said, or BagError',
)
def test_altered_bags_are_read_or_refused(tmp_path: Path, storage: str, compression: str) -> None:
    whole = tmp_path / 'whole'
    with BagWriter(whole, storage=storage, compression=compression) as bag:
        for index in range(4):
            bag.write_image('/image', 10**9 + index, np.full((8, 8, 3), index, np.uint8))
    names = sorted(one.name for one in whole.iterdir())
    contents = {name: (whole / name).read_bytes() for name in names}

    @settings(
        max_examples=60,
        derandomize=True,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(
        st.sampled_from(names),
        st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=6),
        st.floats(0, 1),
        st.booleans(),
    )
    def check(name: str, changes: list[tuple[float, int]], cut: float, shorten: bool) -> None:
        mutations()
        folder = tmp_path / 'altered'
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for other, content in contents.items():
            data = bytearray(content)
            if other == name:
                for place, value in changes:
                    data[int(place * len(data))] = value
                if shorten:
                    del data[int(cut * len(data)) :]
            (folder / other).write_bytes(data)
        try:
            with BagReader(folder) as bag:
                assert all(image.stamp_ns >= 0 for image in bag.images())
        except AlexnetRosError as error:
            refusals.append(str(error))

    refusals: list[str] = []
    check()
    assert not [one for one in refusals if '\n' in one]


@pytest.mark.parametrize(('storage', 'compression'), [('mcap', 'storage'), ('sqlite3', '')])
@fault(
    'fuzzing',
    'bag reader, byte by byte',
    'each byte of a bag set to 1, and each 64th cut',
    'images, or a loss that is said, or BagError',
)
def test_bag_with_any_byte_altered_is_read_or_refused(
    tmp_path: Path, storage: str, compression: str
) -> None:
    whole = tmp_path / 'whole'
    with BagWriter(whole, storage=storage, compression=compression) as bag:
        bag.write_image('/image', 10**9, np.full((2, 2, 3), 7, np.uint8))
    (file,) = [one for one in whole.iterdir() if one.name != 'metadata.yaml']
    content = file.read_bytes()
    step = 1 + len(content) // 1000  # a database of mostly empty pages is longer
    damaged = [content[:at] + b'\1' + content[at + 1 :] for at in range(0, len(content), step)]
    damaged += [content[:at] for at in range(0, len(content), 1 + len(content) // 64)]
    for data in damaged:
        file.write_bytes(data)
        with contextlib.suppress(AlexnetRosError), BagReader(whole) as reader:
            assert all(image.stamp_ns >= 0 for image in reader.images())
    mutations(len(damaged))


@fault(
    'fuzzing',
    'coverage-guided (atheris)',
    'ten seconds over images, model.yaml and ONNX',
    'no finding; `make fuzz` goes on for an hour',
)
def test_fuzzer_finds_nothing_in_a_short_run() -> None:
    if importlib.util.find_spec('atheris') is None:
        pytest.skip('atheris has no wheel for this Python')
    done = subprocess.run(
        [
            *(sys.executable, 'tools/fuzz.py', '--seconds', '12', '--target', 'compressed'),
            *('--target', 'raw', '--target', 'model_yaml', '--target', 'onnx'),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if line.endswith('no finding')]
    assert len(lines) == 4
    for line in lines:
        mutations(int(line.split()[1]))
