"""What is measured stays out of training, and drawings are a quarter of what is pasted."""

import json
from collections import Counter
from pathlib import Path

from tests.shared_data import shared
from tools.training_split import FIRST_DRAWN, drawn_rows, split_rows, twins_of_dev


def test_no_sign_of_a_frame_that_is_kept_apart_is_learned() -> None:
    data = shared('gtsrb/train.csv').parents[1]
    shared('gtsdb/annotations.json')
    twins = twins_of_dev(data / 'gtsdb/annotations.json')
    records, rows = split_rows(data)
    tracks = {r.group for r, row in zip(records, rows, strict=True) if row['file'] in twins}
    assert tracks
    learned = {r.group for r, row in zip(records, rows, strict=True) if row['split'] == 'train'}
    held = {r.group for r, row in zip(records, rows, strict=True) if row['split'] == 'val'}
    assert not learned & (held | tracks)
    assert {
        r.class_id for r, row in zip(records, rows, strict=True) if row['split'] == 'train'
    } == set(range(43))


def test_tracks_seen_in_frames_kept_apart_are_named(tmp_path: Path) -> None:
    path = tmp_path / 'annotations.json'
    entries = {
        '00008.jpg': [{'bbox': [1, 2, 3, 4], 'ignore': False, 'twin': 'set 05/00001_02.jpg'}],
        '00006.jpg': [{'bbox': [1, 2, 3, 4], 'ignore': False, 'twin': 'set 05/00003_02.jpg'}],
    }
    path.write_text(json.dumps(entries))
    assert twins_of_dev(path) == {'05/00001_02.jpg'}


def test_drawings_are_sixteen_classes_beside_the_43() -> None:
    rows = list(drawn_rows(shared('sign_drawings/drawings.csv').parent))
    counts = Counter((row['class_id'], row['ignore']) for row in rows)
    assert len(rows) > 1000
    assert len(counts) == 16
    assert sum(ignore == '1' for _, ignore in counts) == 4
    assert min(int(class_id) for class_id, _ in counts) == FIRST_DRAWN
