"""
AlexNet, as published in 2012 and as torchvision has it.

Both variants use torchvision's parameter names (``features.0.weight`` to
``classifier.6.bias``). Batch normalisation and factored fully connected
layers add names below those (``features.0.norm.weight``,
``classifier.1.first.weight``) and are folded or kept at export.
"""

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from alexnet_ros.errors import ConfigError

Floats = NDArray[np.float32]
IMAGENET_MEAN = (0.485, 0.456, 0.406)  # torchvision transforms/_presets.py, RGB, 0-1 scale
IMAGENET_STD = (0.229, 0.224, 0.225)
CONTRAST_FLOOR = 0.02  # least standard deviation, 0-1 scale: five grey levels
CONTRAST_LIMIT = 4.0  # normalised values are clipped here, standard deviations
LRN = {'size': 5, 'alpha': 5e-4, 'beta': 0.75, 'k': 2.0}
"""Paper: k=2, n=5, alpha=1e-4, not divided by n; PyTorch and ONNX divide, hence 5e-4."""


@dataclass(frozen=True)
class Variant:
    """Layer shapes of one published form."""

    input_px: int
    first_padding: int
    filters: tuple[int, int, int, int, int]
    groups: tuple[int, int, int, int, int]
    response_norm: bool


VARIANTS = {
    '2012': Variant(227, 0, (96, 256, 384, 384, 256), (1, 2, 1, 2, 2), response_norm=True),
    'torchvision': Variant(224, 2, (64, 192, 384, 256, 256), (1,) * 5, response_norm=False),
}
KERNELS = (11, 5, 3, 3, 3)
STRIDES = (4, 1, 1, 1, 1)
PADDINGS = (0, 2, 1, 1, 1)
CONV_SLOTS = (0, 3, 6, 8, 10)
FULL_SLOTS = (1, 4, 6)
HIDDEN_LAYERS = {'fc6': 'classifier.1', 'fc7': 'classifier.4'}
HIDDEN = 4096
POOLED = 6 * 6


@dataclass(frozen=True)
class Architecture:
    """
    Everything that decides the shape of a network.

    :param classes: outputs, the background class included.
    :param fc6_rank: rank of the factored fc6, 0 for the full matrix.
    :param batch_norm: batch normalisation after each convolution.
    :param normalisation: ``imagenet`` (mean and deviation per channel),
        ``contrast`` (mean and deviation of each image's centre) or ``mean``
        (mean only, as in the paper, 0-255 scale divided by 255).
    :param input_px: side of the square input in pixels; 0 takes the variant's.
    :param response_norm: LRN after conv1 and conv2; None takes the variant's.
    :param overlapping: pooling 3/2 as published, else 2/2.
    """

    variant: str = 'torchvision'
    classes: int = 1000
    fc6_rank: int = 0
    fc7_rank: int = 0
    batch_norm: bool = False
    dropout: float = 0.5
    normalisation: str = 'imagenet'
    input_px: int = 0
    response_norm: bool | None = None
    overlapping: bool = True

    def __post_init__(self) -> None:
        """Refuse what is no network."""
        if self.variant not in VARIANTS:
            raise ConfigError(f'variant must be one of {tuple(VARIANTS)}, got {self.variant!r}')
        if self.normalisation not in ('imagenet', 'contrast', 'mean'):
            raise ConfigError(f'unknown normalisation {self.normalisation!r}')
        if self.classes < 2:
            raise ConfigError(f'a classifier needs two classes or more, got {self.classes}')

    @property
    def shape(self) -> Variant:
        """Return the variant's layer shapes."""
        return VARIANTS[self.variant]

    @property
    def size_px(self) -> int:
        """Side of the input in pixels."""
        return self.input_px or self.shape.input_px

    @property
    def uses_lrn(self) -> bool:
        """Whether local response normalisation follows conv1 and conv2."""
        return self.shape.response_norm if self.response_norm is None else self.response_norm


class Conv(nn.Conv2d):
    """A convolution with an optional batch normalisation of its output."""

    def __init__(self, *args: Any, batch_norm: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.norm = nn.BatchNorm2d(self.out_channels) if batch_norm else None

    def forward(self, x: Tensor) -> Tensor:
        """Return the (normalised) convolution, (N, C, H, W) to (N, O, H', W')."""
        x = super().forward(x)
        return x if self.norm is None else self.norm(x)


class Factored(nn.Module):
    """A fully connected layer W as two thin ones: x -> second(first(x))."""

    def __init__(self, inputs: int, outputs: int, rank: int) -> None:
        super().__init__()
        self.first = nn.Linear(inputs, rank, bias=False)
        self.second = nn.Linear(rank, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, inputs) -> (N, rank) -> (N, outputs)."""
        return cast('Tensor', self.second(self.first(x)))


def _linear(inputs: int, outputs: int, rank: int) -> nn.Module:
    return Factored(inputs, outputs, rank) if rank else nn.Linear(inputs, outputs)


class AlexNet(nn.Module):
    """
    Five convolutions and three fully connected layers.

    Layers 1 to 5 are ``features.{0,3,6,8,10}``, layers 6 to 8
    ``classifier.{1,4,6}``, in both variants.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, architecture: Architecture | None = None) -> None:
        super().__init__()
        self.architecture = arch = architecture or Architecture()
        shape = arch.shape
        pool = nn.MaxPool2d(3, 2) if arch.overlapping else nn.MaxPool2d(2, 2)
        slots: list[nn.Module] = []
        channels = 3
        for index, (out, groups) in enumerate(zip(shape.filters, shape.groups, strict=True)):
            padding = PADDINGS[index] if index else shape.first_padding
            sizes = (channels, out, KERNELS[index], STRIDES[index], padding)
            slots.append(Conv(*sizes, groups=groups, batch_norm=arch.batch_norm))
            relu: nn.Module = nn.ReLU(inplace=True)
            if arch.uses_lrn and index < 2:
                relu = nn.Sequential(relu, nn.LocalResponseNorm(**LRN))  # type: ignore[arg-type]
            slots.append(relu)
            if index in (0, 1, 4):
                slots.append(pool)
            channels = out
        self.features = nn.Sequential(*slots)
        self.avgpool = nn.AdaptiveAvgPool2d(6)  # the identity at the published size
        self.classifier = nn.Sequential(
            nn.Dropout(arch.dropout),
            _linear(channels * POOLED, HIDDEN, arch.fc6_rank),
            nn.ReLU(inplace=True),
            nn.Dropout(arch.dropout),
            _linear(HIDDEN, HIDDEN, arch.fc7_rank),
            nn.ReLU(inplace=True),
            nn.Linear(HIDDEN, arch.classes),
        )
        self.register_buffer('mean', torch.tensor(IMAGENET_MEAN), persistent=False)
        self.register_buffer('std', torch.tensor(IMAGENET_STD), persistent=False)

    def normalise(self, images: Tensor) -> Tensor:
        """
        Turn pixels into what the first layer sees.

        :param images: (N, H, W, 3), uint8 or float on the 0-255 scale, RGB.
        :returns: (N, 3, H, W), float32, channels-last in memory.
        """
        kind = self.architecture.normalisation
        x = images.to(torch.float32, copy=True)  # (N, H, W, 3), changed in place below
        if kind == 'contrast':
            centre = centre_of(x)  # (N, h, w, 3)
            mean = centre.mean((1, 2, 3), keepdim=True)
            spread = (centre - mean).square().mean((1, 2, 3), keepdim=True).sqrt()
            gain = 1 / spread.clamp_min(255 * CONTRAST_FLOOR)
            x.sub_(mean).mul_(gain).clamp_(-CONTRAST_LIMIT, CONTRAST_LIMIT)
        else:
            x.sub_(255 * self.mean)
            x.mul_(1 / (255 * self.std) if kind == 'imagenet' else 1 / 255)
        return x.permute(0, 3, 1, 2)  # (N, 3, H, W)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """
        Run the whole network.

        :param images: (N, H, W, 3), uint8 or float on the 0-255 scale, RGB.
        :returns: logits (N, classes) and fc7 features (N, 4096).
        """
        return self.classify(self.normalise(images))

    def classify(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """
        Run the eight layers.

        :param x: normalised, (N, 3, H, W).
        """
        x = self.avgpool(self.features(x))  # (N, C, 6, 6)
        features = self.classifier[:6](torch.flatten(x, 1))  # (N, 4096)
        return self.classifier[6](features), features


def centre_slice(size_px: int) -> tuple[int, int, int]:
    """Return start, stop and step of the pixels that measure an image's contrast."""
    edge = size_px // 8
    return edge, size_px - edge, max(1, size_px // 56)


def centre_of(images: Tensor) -> Tensor:
    """Return every fourth pixel or so of the central three quarters, (N, h, w, 3)."""
    rows, cols = (slice(*centre_slice(size)) for size in images.shape[1:3])
    return images[:, rows, cols]


@dataclass(frozen=True)
class Layer:
    """
    One layer with weights, the batch normalisation after it folded in.

    :param name: ``conv1`` to ``conv5``, ``fc6`` to ``fc8``; the two halves of
        a factored one are ``fc6a`` and ``fc6b``.
    :param module: its name in the PyTorch network.
    :param weight: (O, I/groups, k, k) or (O, I), float32.
    :param bias: (O,), or None.
    :param conv: stride, padding and groups of a convolution.
    """

    name: str
    module: str
    weight: Floats
    bias: Floats | None
    conv: tuple[int, int, int] | None = None


@torch.no_grad()
def convolution(name: str, module: str, conv: nn.Conv2d, norm: nn.Module | None) -> Layer:
    """Return a convolution and the normalisation of its output as one, folded in double."""
    weight = conv.weight.double()
    bias = None if conv.bias is None else conv.bias.double()
    if isinstance(norm, nn.BatchNorm2d):
        statistics = (norm.running_mean.double(), norm.running_var.double(), norm.eps)  # type: ignore[union-attr]
        weight, bias = fuse_conv_bn_weights(
            weight, bias, *statistics, norm.weight.double(), norm.bias.double()
        )
    shift = None if bias is None else bias.float().numpy()
    sizes = (conv.stride[0], int(conv.padding[0]), conv.groups)
    return Layer(name, module, weight.float().numpy(), shift, sizes)


def layers_of(network: AlexNet) -> list[Layer]:
    """Return the weights in the order they run, the network left in evaluation mode."""
    network = network.cpu().eval()
    layers = []
    for number, slot in enumerate(CONV_SLOTS, start=1):
        conv = cast('Conv', network.features[slot])
        layers.append(convolution(f'conv{number}', f'features.{slot}', conv, conv.norm))
    for number, slot in enumerate(FULL_SLOTS, start=6):
        part, name = network.classifier[slot], f'classifier.{slot}'
        halves = {(f'fc{number}', name): part}
        if isinstance(part, Factored):
            halves = {(f'fc{number}a', f'{name}.first'): part.first}
            halves[f'fc{number}b', f'{name}.second'] = part.second
        for names, linear in halves.items():
            matrix = cast('nn.Linear', linear)
            bias = None if matrix.bias is None else matrix.bias.detach().float().numpy()
            layers.append(Layer(*names, matrix.weight.detach().float().numpy(), bias))
    return layers
