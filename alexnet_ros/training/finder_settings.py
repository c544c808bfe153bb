"""Every setting of ``alexnet_ros train-finder``, declared once."""

from dataclasses import dataclass

from alexnet_ros.config import setting


@dataclass(frozen=True)
class FinderTrainSettings:
    """How a finder is trained; a recipe file gives these by name."""

    steps: int = setting(8000, 'Length of the run in steps.', low=1, high=100_000_000)
    minutes: float = setting(
        0.0, 'Length of the run in minutes instead of steps; 0 = by steps.', low=0.0, high=1e6
    )
    batch: int = setting(16, 'Pictures a step.', low=2, high=1024)
    side_px: int = setting(288, 'Side of a picture, a multiple of 32.', low=64, high=1024)
    smallest_px: float = setting(8.0, 'Smallest object in a picture.', low=4.0, high=500.0)
    largest_px: float = setting(250.0, 'Largest object in a picture.', low=8.0, high=1000.0)
    frame_share: float = setting(
        0.65, 'Share of pictures from annotated frames.', low=0.0, high=1.0
    )
    pasted: float = setting(1.0, 'Mean number of pasted objects.', low=0.0, high=20.0)
    decoys: float = setting(0.4, 'Mean number of pasted backgrounds.', low=0.0, high=20.0)
    background_until: float = setting(
        0.6667, 'Use this first share of the video.', low=0.0, high=1.0
    )
    hold_out_every: int = setting(
        8, 'One track of crops in this many is left out; 0 = none.', low=0, high=1000
    )
    outlines: str = setting(
        'disc',
        'What crops are cut round: disc, or gtsrb (triangles and others by class).',
        choices=('disc', 'gtsrb'),
    )
    drawings_found: str = setting(
        'regulatory,warning', 'Starts of the names of drawings that are to be found.'
    )
    drawings_share: float = setting(
        0.25, 'Share of drawings in what is pasted.', low=0.0, high=0.9
    )
    rate: float = setting(0.003, 'Peak learning rate.', low=1e-7, high=1.0)
    weight_decay: float = setting(0.01, 'Weight decay.', low=0.0, high=1.0)
    clip: float = setting(10.0, 'Longest gradient.', low=0.01, high=1e6)
    average_decay: float = setting(0.998, 'Of the weight average.', low=0.0, high=0.99999)
    half: bool = setting(True, 'Compute in bfloat16.')
    save_every: int = setting(250, 'Steps between checkpoints.', low=1, high=1_000_000)
    seed: int = setting(1, 'Seed of everything random.', low=0, high=2**31)
