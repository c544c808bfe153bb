import shutil
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alexnet_ros.errors import DatasetError
from alexnet_ros.training.layouts import labels_from, read_data
from alexnet_ros.training.run import check_classes
from alexnet_ros.training.sources import ImageBank, Record, decode, held_out, records_from_manifest
from tests.unit.training.generated import NAMES


def manifest(folder: Path, rows: str) -> Path:
    path = folder / 'm.csv'
    path.write_text('file,class_id,track\n' + rows)
    return path


def test_folder_gives_sorted_classes_and_groups(shapes: Path) -> None:
    data = read_data(shapes, group='(.*)_[0-9]')
    records = data.records
    assert tuple(data.names) == NAMES
    assert len(records) == 160
    assert len({record.group for record in records}) == 40


def test_tar_gives_the_same_images_as_its_folder(shapes: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / 'shapes.tar', 'w') as tar:
        tar.add(shapes, '.')
    data = read_data(tmp_path / 'shapes.tar')
    packed, plain = data.records, read_data(shapes).records
    assert tuple(data.names) == NAMES
    assert [r.class_id for r in packed] == [r.class_id for r in plain]
    np.testing.assert_array_equal(ImageBank(packed)[17], ImageBank(plain)[17])


def test_manifest_finds_files_in_folders_and_tars(shapes: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / 'a.tar', 'w') as tar:
        tar.add(shapes / 'disc', 'disc')
    path = manifest(tmp_path, 'disc/000_0.png,1,7\ncross/000_1.png,0,8\n')
    records = records_from_manifest(path, [tmp_path / 'a.tar', shapes])
    assert [(r.class_id, r.group) for r in records] == [(1, '1/7'), (0, '0/8')]
    assert decode(records[0]).shape == (48, 48, 3)
    assert decode(records[1]).shape == (48, 48, 3)


def test_gtsrbs_own_layout_is_read(tmp_path: Path) -> None:
    folder = tmp_path / 'Final_Training/Images/00001'
    folder.mkdir(parents=True)
    image = np.full((30, 30, 3), 80, np.uint8)
    for name in ('00000_00000.ppm', '00000_00001.ppm', '00001_00000.ppm'):
        cv2.imwrite(str(folder / name), image)
    (folder / 'GT-00001.csv').write_text(
        'Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId\n'
        '00000_00000.ppm;30;30;5;5;25;25;1\n00000_00001.ppm;30;30;5;5;25;25;1\n'
        '00001_00000.ppm;30;30;5;5;25;25;1\n'
    )
    data = read_data(tmp_path / 'Final_Training/Images')
    records = data.records
    assert [record.group for record in records] == ['1/00000', '1/00000', '1/00001']
    assert data.names == ['0', '1']
    assert decode(records[0]).shape == (30, 30, 3)


def test_missing_file_is_named(tmp_path: Path) -> None:
    path = manifest(tmp_path, 'nothing.png,0,1\n')
    with pytest.raises(DatasetError, match=r'm\.csv line 2: nothing\.png is in none'):
        records_from_manifest(path, [tmp_path])


@pytest.mark.parametrize('label', ['4', '-1', 'disc', ''])
def test_unknown_label_is_named(label: str, tmp_path: Path) -> None:
    path = manifest(tmp_path, f'a.png,{label},1\n')
    with pytest.raises(DatasetError, match=r'line 2: unknown label'):
        records_from_manifest(path, [tmp_path], classes=4)


def test_manifest_without_columns_is_refused(tmp_path: Path) -> None:
    (tmp_path / 'm.csv').write_text('path,label\na,1\n')
    with pytest.raises(DatasetError, match="missing \\['class_id', 'file'\\]"):
        read_data(tmp_path / 'm.csv')


def test_empty_class_is_named(shapes: Path, tmp_path: Path) -> None:
    copy = tmp_path / 'copy'
    shutil.copytree(shapes, copy)
    (copy / 'empty').mkdir()
    with pytest.raises(DatasetError, match='class empty is empty'):
        read_data(copy)
    with pytest.raises(DatasetError, match=r'no training image of class 1 \(b\)'):
        check_classes(np.array([0, 0, 2]), ['a', 'b', 'c'])


@pytest.mark.parametrize('content', [b'', b'\x89PNG\r\n\x1a\nbroken', b'text'])
def test_unreadable_image_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / 'bad.png').write_bytes(content)
    with pytest.raises(DatasetError, match=r'unreadable image .*bad\.png'):
        ImageBank([Record(tmp_path / 'bad.png', 0, 'g')]).load()


def test_compressed_or_broken_tar_is_refused(tmp_path: Path) -> None:
    (tmp_path / 'x.tar').write_bytes(b'not a tar')
    with pytest.raises(DatasetError, match='not a readable uncompressed tar'):
        read_data(tmp_path / 'x.tar')


def test_bank_decodes_again_what_does_not_fit(shapes: Path) -> None:
    records = read_data(shapes).records
    small, large = ImageBank(records[:6], memory_mb=0), ImageBank(records[:6])
    for index in range(6):
        np.testing.assert_array_equal(small[index], large[index])
    assert small[0] is not small[0]
    assert large[0] is large[0]


def test_label_names_need_all_ids(tmp_path: Path) -> None:
    (tmp_path / 'l.csv').write_text('class_id,name\n0,a\n2,c\n')
    with pytest.raises(DatasetError, match='0 to 1'):
        labels_from(tmp_path / 'l.csv')


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 30)), min_size=1, max_size=300),
    st.integers(2, 12),
)
def test_split_never_parts_a_group_and_reaches_each_class(
    pairs: list[tuple[int, int]], every: int
) -> None:
    records = [Record(Path('x'), c, f'{c}/{g}') for c, g in pairs]
    out = held_out(records, every)
    sides: dict[tuple[int, str], set[bool]] = {}
    for record, held in zip(records, out, strict=True):
        sides.setdefault((record.class_id, record.group), set()).add(held)
    assert all(len(side) == 1 for side in sides.values())
    for class_id in {c for c, _ in pairs}:
        mine = [side for (c, _), side in sides.items() if c == class_id]
        held = sum(side == {True} for side in mine)
        assert held == 0 if len(mine) < 2 else 1 <= held < len(mine)
