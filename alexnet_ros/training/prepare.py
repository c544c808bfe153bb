"""The images that an export calibrates and measures with, from a checkpoint's own split."""

from pathlib import Path

import numpy as np

from alexnet_ros.training.bank import ImageBank
from alexnet_ros.training.checkpoint import load_checkpoint
from alexnet_ros.training.export import Measured
from alexnet_ros.training.negatives import NegativeMaker, video_frames
from alexnet_ros.training.run import Data
from alexnet_ros.training.split import held_out

NEGATIVE_SEED = 991


def measured_from(data: Data, checkpoint: Path, negatives: int = 3000) -> Measured:
    """
    Split the data as the checkpoint's run did and make fresh negatives.

    :param negatives: how many crops of none of the classes to make, from
        held-out crops and the part of the video that training may see.
    """
    _, facts = load_checkpoint(checkpoint)
    settings = facts['settings']
    every = settings['hold_out_every']
    out = held_out(data.records, every)
    check = [r for r, held in zip(data.records, out, strict=True) if held]
    learn = [r for r, held in zip(data.records, out, strict=True) if not held]
    check = check or learn
    bank = ImageBank(check)
    class_ids = np.array([record.class_id for record in check], np.int64)
    crops = []
    if facts['background'] and negatives:
        frames = []
        if settings['background_video']:
            video = Path(settings['background_video'])
            frames = video_frames(video, 0.0, settings['background_until'])
        maker = NegativeMaker(
            bank,
            class_ids,
            frames,
            np.random.default_rng(NEGATIVE_SEED),
            traffic_signs=settings['drawn_share'] > 0,
        )
        crops = [maker.negative() for _ in range(negatives)]
    groups = len({(record.class_id, record.group) for record in check})
    split = (
        f'1 in {every} groups of each class held out: {len(check)} images of {groups} groups'
        if every
        else 'the training images themselves, nothing was held out'
    )
    return Measured(ImageBank(learn), len(learn), bank, class_ids, crops, split)
