import csv
from pathlib import Path

import numpy as np
import pytest

from alexnet_ros.dataset.collect import CollectOptions, collect_bag
from alexnet_ros.dataset.collection import Collection, Item, picture_hash
from alexnet_ros.errors import DatasetError
from alexnet_ros.recognizer import Recognizer
from alexnet_ros.training.layouts import read_data
from tests.boxes_bag import write_frames

CLASSES = [0] * 10 + [1] * 10 + [2] * 10


def item(name: str, proposed: int | None = 1) -> Item:
    return Item(name, proposed, 0.5, 'rate', 'bag', '', 7, '', (0.0, 0.0, 8.0, 8.0))


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (32, 32, 3), np.uint8)


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / 'manifest.csv').open(newline='') as file:
        return list(csv.DictReader(file))


def test_same_picture_has_a_near_hash() -> None:
    image = picture(1)
    noisy = np.clip(image.astype(int) + 2, 0, 255).astype(np.uint8)
    assert (picture_hash(image) ^ picture_hash(noisy)).bit_count() <= 3
    assert (picture_hash(image) ^ picture_hash(picture(2))).bit_count() > 3


def test_collection_keeps_each_picture_once_and_goes_on(tmp_path: Path) -> None:
    first = Collection(tmp_path, {0: 'red', 1: 'green'})
    assert first.add(item('a.jpg'), picture(1))
    assert not first.add(item('a.jpg'), picture(2))
    assert not first.add(item('b.jpg'), picture(1))
    assert first.add(item('c.jpg', None), picture(1))
    first.mark('bag', 42)
    again = Collection(tmp_path, {})
    assert again.done_until('bag') == 42
    assert not again.add(item('d.jpg'), picture(1))
    assert again.write_manifest() == {'labelled': 1, 'unlabelled': 1, 'refused': 0, 'moved': 0}


def test_moving_a_file_labels_it_and_deleting_refuses_it(tmp_path: Path) -> None:
    made = Collection(tmp_path, {0: 'red', 1: 'green'})
    for index in range(3):
        made.add(item(f'{index}.jpg'), picture(index))
    (tmp_path / 'red').mkdir()
    (tmp_path / 'green/0.jpg').rename(tmp_path / 'red/0.jpg')
    (tmp_path / 'green/1.jpg').unlink()
    again = Collection(tmp_path, {})
    assert again.write_manifest() == {'labelled': 2, 'unlabelled': 0, 'refused': 1, 'moved': 1}
    assert {(r['file'], r['class_id']) for r in rows_of(tmp_path)} == {
        ('red/0.jpg', '0'),
        ('green/2.jpg', '1'),
    }
    assert not again.add(item('1.jpg'), picture(1))
    (tmp_path / 'odd').mkdir()
    (tmp_path / 'green/2.jpg').rename(tmp_path / 'odd/2.jpg')
    again.write_manifest()
    assert {(r['file'], r['class_id']) for r in rows_of(tmp_path)} == {
        ('red/0.jpg', '0'),
        ('odd/2.jpg', '2'),
    }
    data = read_data(tmp_path)  # the folder itself: what has pictures, in the old order
    assert data.names == ['red', 'odd']
    assert [record.class_id for record in data.records] == [1, 0]


def test_own_classes_need_no_model_and_train_as_they_are(tmp_path: Path) -> None:
    bag = write_frames(tmp_path / 'bag', CLASSES)
    options = CollectOptions(how='change', crops=False, change=0.1, classes=('blocked', 'a/b'))
    made = collect_bag(bag, tmp_path / 'out', None, options)
    found = sorted((tmp_path / 'out/unlabelled').iterdir())
    assert made.added == len(found) == 2
    assert (tmp_path / 'out/blocked').is_dir()
    for path, name in zip(found, ('blocked', 'a-b'), strict=True):
        path.rename(tmp_path / 'out' / name / path.name)
    data = read_data(tmp_path / 'out')
    assert data.names == ['blocked', 'a/b']
    assert [record.class_id for record in data.records] == [1, 0]
    assert len({record.group for record in data.records}) == 1  # one scene


def test_damaged_list_is_said(tmp_path: Path) -> None:
    Collection(tmp_path, {}).add(item('a.jpg'), picture(1))
    (tmp_path / 'state.json').write_text('{')
    with pytest.raises(DatasetError, match=r'items.csv or state.json is damaged'):
        Collection(tmp_path, {})


def test_bag_gives_what_train_reads(tmp_path: Path, recognizer: Recognizer) -> None:
    bag = write_frames(tmp_path / 'bag', CLASSES)
    options = CollectOptions(how='rate', rate_hz=1000.0)
    made = collect_bag(bag, tmp_path / 'out', recognizer, options)
    assert made.added >= 3
    data = read_data(tmp_path / 'out/manifest.csv')
    records = data.records
    assert data.names == list(recognizer.package.labels.names)
    assert {record.class_id for record in records} == {0, 1, 2}
    assert collect_bag(bag, tmp_path / 'out', recognizer, options).added == 0


def test_change_takes_each_scene_once(tmp_path: Path, recognizer: Recognizer) -> None:
    bag = write_frames(tmp_path / 'bag', CLASSES)
    options = CollectOptions(how='change', crops=False, change=0.1)
    collect_bag(bag, tmp_path / 'out', recognizer, options)
    assert sorted(row['class_id'] for row in rows_of(tmp_path / 'out')) == ['0', '1', '2']


def test_uncertain_takes_unknown_ones_without_a_label(
    tmp_path: Path, recognizer: Recognizer
) -> None:
    bag = write_frames(tmp_path / 'bag', CLASSES)
    sure = CollectOptions(how='uncertain', below=0.0, crops=False)
    collect_bag(bag, tmp_path / 'sure', recognizer, sure)
    settings = recognizer.settings
    recognizer.settings = type(settings)(regions='frame', score_threshold=1.0)
    collect_bag(bag, tmp_path / 'unsure', recognizer, sure)
    assert list((tmp_path / 'unsure/unlabelled').iterdir())
    assert rows_of(tmp_path / 'unsure') == []


def test_limit_stops_and_the_next_run_goes_on(tmp_path: Path, recognizer: Recognizer) -> None:
    bag = write_frames(tmp_path / 'bag', CLASSES)
    options = CollectOptions(how='change', change=0.1, limit=1)
    for run in range(3):
        assert collect_bag(bag, tmp_path / 'out', recognizer, options).added == 1, run
    stamps = [int(row['stamp_ns']) for row in rows_of(tmp_path / 'out')]
    assert len(set(stamps)) == 3
