"""
What a user would pick instead, built from the published architectures.

The weights are random: time does not depend on them, and only time is compared.
"""

from pathlib import Path

import torch
from torch import Tensor, nn


class ConvUnit(nn.Sequential):
    """Convolution, batch normalisation, activation."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 1,
        stride: int = 1,
        *,
        groups: int = 1,
        activation: type[nn.Module] = nn.SiLU,
    ) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
            nn.BatchNorm2d(outputs),
            activation(),
        )


class C2f(nn.Module):
    """Cross-stage block of YOLOv8: every bottleneck's output is kept and fused."""

    def __init__(self, inputs: int, outputs: int, count: int, *, shortcut: bool) -> None:
        super().__init__()
        half = outputs // 2
        self.enter = ConvUnit(inputs, outputs)
        self.leave = ConvUnit((2 + count) * half, outputs)
        self.blocks = nn.ModuleList(
            nn.Sequential(ConvUnit(half, half, 3), ConvUnit(half, half, 3)) for _ in range(count)
        )
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        parts = list(self.enter(x).chunk(2, 1))
        for block in self.blocks:
            last = parts[-1]
            parts.append(last + block(last) if self.shortcut else block(last))
        return self.leave(torch.cat(parts, 1))


class SPPF(nn.Module):
    """Spatial pyramid pooling by three 5x5 maxima in a row."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.enter = ConvUnit(channels, channels // 2)
        self.leave = ConvUnit(channels * 2, channels)
        self.pool = nn.MaxPool2d(5, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        parts = [self.enter(x)]
        for _ in range(3):
            parts.append(self.pool(parts[-1]))
        return self.leave(torch.cat(parts, 1))


class YoloV8n(nn.Module):
    """
    The smallest YOLOv8, 80 classes: 3.15 million weights, 8.7 GFLOP at 640x640.

    Source: the architecture table of Ultralytics YOLOv8 (width 0.25, depth
    0.33); written anew. Boxes are decoded, non-maximum suppression is left out.
    """

    BINS = 16  # of each side's distance distribution

    def __init__(self, classes: int = 80) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            ConvUnit(3, 16, 3, 2),
            ConvUnit(16, 32, 3, 2),
            C2f(32, 32, 1, shortcut=True),
            ConvUnit(32, 64, 3, 2),
            C2f(64, 64, 2, shortcut=True),
        )
        self.middle = nn.Sequential(ConvUnit(64, 128, 3, 2), C2f(128, 128, 2, shortcut=True))
        self.deep = nn.Sequential(
            ConvUnit(128, 256, 3, 2), C2f(256, 256, 1, shortcut=True), SPPF(256)
        )
        self.up_middle = C2f(384, 128, 1, shortcut=False)
        self.up_fine = C2f(192, 64, 1, shortcut=False)
        self.down_fine, self.down_middle = ConvUnit(64, 64, 3, 2), ConvUnit(128, 128, 3, 2)
        self.out_middle = C2f(192, 128, 1, shortcut=False)
        self.out_deep = C2f(384, 256, 1, shortcut=False)
        sides = (64, 128, 256)
        self.boxes = nn.ModuleList(self._branch(side, 64, 4 * self.BINS) for side in sides)
        self.scores = nn.ModuleList(self._branch(side, 80, classes) for side in sides)

    @staticmethod
    def _branch(inputs: int, width: int, outputs: int) -> nn.Sequential:
        return nn.Sequential(
            ConvUnit(inputs, width, 3), ConvUnit(width, width, 3), nn.Conv2d(width, outputs, 1)
        )

    def forward(self, image: Tensor) -> Tensor:
        fine = self.stem(image)  # (N, 64, H/8, W/8)
        middle = self.middle(fine)
        deep = self.deep(middle)
        larger = nn.functional.interpolate
        mixed = self.up_middle(torch.cat([larger(deep, scale_factor=2), middle], 1))
        first = self.up_fine(torch.cat([larger(mixed, scale_factor=2), fine], 1))
        second = self.out_middle(torch.cat([self.down_fine(first), mixed], 1))
        third = self.out_deep(torch.cat([self.down_middle(second), deep], 1))
        found = []
        for level, features in enumerate((first, second, third)):
            sides = self.boxes[level](features).flatten(2)  # (N, 64, cells)
            bins = sides.unflatten(1, (4, self.BINS)).softmax(2)
            steps = torch.arange(self.BINS, dtype=torch.float32)
            distance = (bins * steps[None, None, :, None]).sum(2) * 8 * 2**level
            found.append(
                torch.cat([distance, self.scores[level](features).flatten(2).sigmoid()], 1)
            )
        return torch.cat(found, 2)  # (N, 84, 8400) at 640x640


class InvertedResidual(nn.Module):
    """MobileNetV3's block: expand, depthwise, squeeze and excite, project."""

    def __init__(self, inputs: int, row: tuple[int, int, int, bool, bool, int]) -> None:
        kernel, wide, outputs, squeeze, hard, stride = row
        super().__init__()
        activation = nn.Hardswish if hard else nn.ReLU
        layers: list[nn.Module] = []
        if wide != inputs:
            layers.append(ConvUnit(inputs, wide, activation=activation))
        layers.append(ConvUnit(wide, wide, kernel, stride, groups=wide, activation=activation))
        if squeeze:
            layers.append(SqueezeExcite(wide))
        layers.append(ConvUnit(wide, outputs, activation=nn.Identity))
        self.layers = nn.Sequential(*layers)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.residual else self.layers(x)


class SqueezeExcite(nn.Module):
    """Scale each channel by what a small network makes of all channels' means."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        fewer = max(8, (channels // 4 + 4) // 8 * 8)
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, fewer, 1),
            nn.ReLU(),
            nn.Conv2d(fewer, channels, 1),
            nn.Hardsigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate(x)


def mobilenet_v3_small(classes: int = 1000) -> nn.Sequential:
    """
    Return MobileNetV3-small, 2.54 million weights at 1000 classes.

    Source: A. Howard et al., "Searching for MobileNetV3", ICCV 2019, table 2.
    """
    rows = (  # kernel, expansion, output, squeeze-excite, hard swish, stride
        (3, 16, 16, True, False, 2),
        (3, 72, 24, False, False, 2),
        (3, 88, 24, False, False, 1),
        (5, 96, 40, True, True, 2),
        (5, 240, 40, True, True, 1),
        (5, 240, 40, True, True, 1),
        (5, 120, 48, True, True, 1),
        (5, 144, 48, True, True, 1),
        (5, 288, 96, True, True, 2),
        (5, 576, 96, True, True, 1),
        (5, 576, 96, True, True, 1),
    )
    layers: list[nn.Module] = [ConvUnit(3, 16, 3, 2, activation=nn.Hardswish)]
    inputs = 16
    for row in rows:
        layers.append(InvertedResidual(inputs, row))
        inputs = row[2]
    return nn.Sequential(
        *layers,
        ConvUnit(96, 576, activation=nn.Hardswish),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(576, 1024),
        nn.Hardswish(),
        nn.Linear(1024, classes),
    )


NETWORKS = {'yolov8n': (YoloV8n, 640), 'mobilenet_v3_small': (mobilenet_v3_small, 224)}


def exported(name: str, folder: Path) -> Path:
    """Return the FP32 ONNX file of a network, float NCHW in, made once."""
    path = folder / f'{name}.onnx'
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        make, side_px = NETWORKS[name]
        torch.manual_seed(0)
        network = make().eval()
        torch.onnx.export(
            network,
            (torch.zeros(1, 3, side_px, side_px),),
            path,
            input_names=['image'],
            output_names=['logits'],
            dynamo=False,
            opset_version=17,
        )
    return path
