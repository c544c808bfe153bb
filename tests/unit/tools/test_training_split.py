"""What is measured stays out of training."""

import json

from alexnet_ros.training.sources import is_dev
from tests.shared_data import shared
from tools.training_split import split_rows


def test_no_sign_of_a_frame_that_is_kept_apart_is_learned() -> None:
    data = shared('gtsrb/train.csv').parents[1]
    annotations = json.loads(shared('gtsdb/annotations.json').read_text())
    twins = {
        str(entry['twin']).rsplit(' ', 1)[-1]
        for name, entries in annotations.items()
        if is_dev(name)
        for entry in entries
        if entry.get('twin')
    }
    records, rows = split_rows(data)
    tracks = {r.group for r, row in zip(records, rows, strict=True) if row['file'] in twins}
    assert tracks
    learned = {r.group for r, row in zip(records, rows, strict=True) if row['split'] == 'train'}
    held = {r.group for r, row in zip(records, rows, strict=True) if row['split'] == 'val'}
    assert not learned & (held | tracks)
    assert {
        r.class_id for r, row in zip(records, rows, strict=True) if row['split'] == 'train'
    } == set(range(43))
