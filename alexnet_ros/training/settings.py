"""Every setting of ``alexnet_ros train`` and ``train-finder``, declared once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alexnet_ros.config import setting, settings_from_mapping
from alexnet_ros.errors import ConfigError
from alexnet_ros.files import MAX_YAML_BYTES, read_file, yaml_mapping


@dataclass(frozen=True)
class TrainSettings:
    """What is trained, on what, and how; a recipe file gives these by name."""

    variant: str = setting(
        'torchvision',
        'Layer shapes: 2012 (two towers, LRN) or torchvision.',
        choices=('2012', 'torchvision'),
    )
    batch_norm: bool = setting(True, 'Batch normalisation while training, folded at export.')
    normalisation: str = setting(
        'imagenet',
        'imagenet, contrast (per image) or mean (the paper).',
        choices=('imagenet', 'contrast', 'mean'),
    )
    lrn: str = setting(
        'variant',
        'Local response normalisation: as the variant has it, on or off.',
        choices=('variant', 'on', 'off'),
    )
    overlapping: bool = setting(True, 'Overlapping pooling 3/2 as published, else 2/2.')
    input_px: int = setting(0, 'Input side, pixels; 0 = 227 or 224.', 0, 512)
    fc6_rank: int = setting(0, 'Factor fc6 at this rank; 0 = full.', 0, 4096)
    fc7_rank: int = setting(0, 'Factor fc7 at this rank; 0 = full.', 0, 4096)
    dropout: float = setting(0.5, 'Dropout before fc6 and fc7.', 0.0, 0.9)

    initial: str = setting(
        '', 'Starting weights: .pth, .pth.tar, .safetensors or .npz of an AlexNet, or a package.'
    )
    initialisation: str = setting(
        'modern', 'How other layers start: modern (He) or paper.', choices=('modern', 'paper')
    )
    features_factor: float = setting(
        1.0, 'Learning-rate factor of the convolutions; 0 = frozen.', 0.0, 1.0
    )
    probe: bool = setting(True, 'With frozen convolutions begin as a linear probe.')

    resize: str = setting(
        'stretch',
        'How a picture becomes the input: stretch all of it, or centre_crop (shorter side 8/7).',
        choices=('stretch', 'centre_crop'),
    )
    hold_out_every: int = setting(8, 'One group in this many is held out; 0 = none.', 0, 1000)
    augmentation: str = setting(
        'signs',
        'signs, paper (256, random crop, mirror, PCA noise), photo or none.',
        choices=('signs', 'photo', 'paper', 'none'),
    )
    mirror: bool = setting(False, 'Also mirror; never where left and right differ.')
    balance: float = setting(
        0.5, 'A class with n images counts n to this power: 1 = as is, 0 = equal.', 0.0, 1.0
    )
    background_share: float = setting(
        0.0, 'Fraction of background images; above 0 adds a background class.', 0.0, 0.9
    )
    background_video: str = setting('', 'Video without signs for backgrounds.')
    background_until: float = setting(
        0.6667, 'Fraction of the video used, from its start.', 0.0, 1.0
    )
    background_count: int = setting(12000, 'Background crops made.', 10, 1_000_000)

    added_data: str = setting(
        '',
        'CSV of more crops to learn from (file, class_id, weight), tars beside it; the class '
        'after the last is the background.',
    )
    added_share: float = setting(0.0, 'Fraction of them in a batch.', 0.0, 0.9)

    steps: int = setting(10_000, 'Length of the run in steps.', 1, 100_000_000)
    minutes: float = setting(0.0, 'Length in minutes instead; 0 = by steps.', 0.0, 1e6)
    batch: int = setting(64, 'Batch size of each process.', 2, 4096)
    lr: float = setting(0.02, 'Peak learning rate.', 1e-7, 10.0)
    momentum: float = setting(0.9, 'Momentum (Nesterov).', 0.0, 0.999)
    weight_decay: float = setting(5e-4, 'Weight decay of matrices.', 0.0, 0.1)
    clip_norm: float = setting(5.0, 'Maximum gradient norm; 0 = no clipping.', 0.0, 1e6)
    label_smoothing: float = setting(0.05, 'Label smoothing.', 0.0, 0.5)
    schedule: str = setting(
        'cosine',
        'cosine with warm-up, or paper (divided by ten three times).',
        choices=('cosine', 'paper'),
    )
    patience: int = setting(
        0, 'Stop after so many validations without gain; 0 = never.', 0, 10_000
    )
    sizes: str = setting('', 'Progressive input sides, such as 128,176,224; last = own.')
    ema_decay: float = setting(0.999, 'Decay of the moving average of the weights.', 0.0, 0.99999)
    bf16: bool = setting(True, 'Compute in bfloat16 where the processor has it.')
    val_interval: int = setting(0, 'Steps between validations; 0 = 20 in a run.', 0, 1_000_000)
    save_interval: int = setting(500, 'Steps between checkpoints.', 1, 1_000_000)
    threads: int = setting(1, 'Threads that prepare images.', 0, 64)
    memory_mb: int = setting(4096, 'Decoded images kept in memory.', 0, 1_000_000)
    seed: int = setting(1, 'Seed of everything random.', 0, 2**31)

    @property
    def input_sizes(self) -> tuple[int, ...]:
        """Return the progressive input sides, empty for the network's own alone."""
        return tuple(int(word) for word in self.sizes.split(',') if word)

    @property
    def val_steps(self) -> int:
        """Return steps between validations."""
        return self.val_interval or max(1, min(1000, round(self.steps / 20)))


OLD_NAMES = {  # kept for one release
    'rate': 'lr',
    'average_decay': 'ema_decay',
    'half': 'bf16',
    'check_every': 'val_interval',
    'save_every': 'save_interval',
    'smoothing': 'label_smoothing',
    'clip': 'clip_norm',
}


@dataclass(frozen=True)
class FinderTrainSettings:
    """How a finder is trained; a recipe file gives these by name."""

    steps: int = setting(8000, 'Length of the run in steps.', 1, 100_000_000)
    minutes: float = setting(0.0, 'Length in minutes instead; 0 = by steps.', 0.0, 1e6)
    batch: int = setting(16, 'Batch size.', 2, 1024)
    side_px: int = setting(288, 'Side of a picture, a multiple of 32.', 64, 1024)
    smallest_px: float = setting(8.0, 'Smallest object in a picture.', 4.0, 500.0)
    largest_px: float = setting(250.0, 'Largest object in a picture.', 8.0, 1000.0)
    frame_share: float = setting(0.65, 'Fraction from annotated frames.', 0.0, 1.0)
    pasted: float = setting(1.0, 'Mean number of pasted objects.', 0.0, 20.0)
    decoys: float = setting(0.4, 'Mean number of pasted backgrounds.', 0.0, 20.0)
    background_until: float = setting(
        0.6667, 'Fraction of the video used, from its start.', 0.0, 1.0
    )
    hold_out_every: int = setting(8, 'One track in this many is left out; 0 = none.', 0, 1000)
    lr: float = setting(0.003, 'Peak learning rate.', 1e-7, 1.0)
    weight_decay: float = setting(0.01, 'Weight decay.', 0.0, 1.0)
    clip_norm: float = setting(10.0, 'Maximum gradient norm.', 0.01, 1e6)
    ema_decay: float = setting(0.998, 'Decay of the moving average of the weights.', 0.0, 0.99999)
    bf16: bool = setting(True, 'Compute in bfloat16.')
    save_interval: int = setting(250, 'Steps between checkpoints.', 1, 1_000_000)
    seed: int = setting(1, 'Seed of everything random.', 0, 2**31)


def read_recipe(path: Path | None) -> dict[str, Any]:
    """
    Return the settings that a recipe file names; none without a file.

    :raises ConfigError: unreadable, or not a mapping.
    """
    if path is None:
        return {}
    data = read_file(path, MAX_YAML_BYTES, ConfigError)
    found = yaml_mapping(data, f'the recipe {path}', ConfigError)
    return {OLD_NAMES.get(name, name): value for name, value in found.items()}


def settings_for(recipe: Path | None, overrides: dict[str, Any]) -> TrainSettings:
    """
    Return the checked settings: defaults, then the recipe, then the overrides.

    :raises ConfigError: unknown name, wrong type or out of range.
    """
    return settings_from_mapping(TrainSettings, read_recipe(recipe) | overrides)
