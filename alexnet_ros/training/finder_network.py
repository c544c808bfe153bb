"""
The finder: a small fully convolutional network that says where objects are.

After Zhou, Wang and Krähenbühl, "Objects as Points" (2019): a heat map of
centres, and at each centre a box; the box learns by generalised IoU
(Rezatofighi et al., 2019). Features at strides 4 to 32 are merged top down to
stride 8 (Lin et al., 2017), where each place speaks for 2x2 cells of stride 4.
Nothing is computed at a finer stride than 4: there INT8 convolutions of three
channels, not arithmetic, would take most of the time.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

CELL_PX = 4
"""Pixels of the network's input from one cell of the answer to the next."""

CHANNELS = 5
"""Of a cell: heat (logit), middle x, y (in box sizes), log width, log height (in cells)."""

GREY, SPREAD = 128.0, 64.0
"""The network sees (pixel - GREY) / SPREAD; what is outside of a frame is grey."""

_PRIOR_LOGIT = -4.6  # a cell in a hundred, as focal losses start


def _block(inputs: int, outputs: int, size: int = 3, stride: int = 1) -> nn.Sequential:
    padding = 0 if size == stride else size // 2
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, padding, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


def _lateral(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))


class FinderNetwork(nn.Module):
    """
    Frames in, cells out.

    Input (N, H, W, 3) uint8 RGB, sides multiples of 32. Output
    (N, H/4, W/4, 5) float32; the meaning of a cell is that of ``CHANNELS``.

    :param widths: channels at strides 4, 8, 16 and 32.
    :param merged: channels of the merged features at stride 8.
    """

    def __init__(self, widths: Sequence[int] = (24, 48, 64, 96), merged: int = 48) -> None:
        super().__init__()
        self.form = {'widths': list(widths), 'merged': merged}  # as a checkpoint keeps it
        four, eight, sixteen, last = widths
        self.stem = _block(3, four, CELL_PX, CELL_PX)
        self.four = nn.Sequential(_block(four, four), _block(four, four))
        self.eight = nn.Sequential(_block(four, eight, stride=2), _block(eight, eight))
        self.sixteen = nn.Sequential(_block(eight, sixteen, stride=2), _block(sixteen, sixteen))
        self.last = nn.Sequential(_block(sixteen, last, stride=2), _block(last, last))
        self.from_last = _lateral(last, merged)
        self.from_sixteen = _lateral(sixteen, merged)
        self.from_eight = _lateral(eight, merged)
        self.join = _block(merged, merged)
        self.head = nn.Conv2d(merged, 4 * CHANNELS, 1)
        nn.init.normal_(self.head.weight, std=0.01)
        start = torch.tensor([_PRIOR_LOGIT, 0.0, 0.0, 1.5, 1.5]).repeat_interleave(4)
        self.head.bias = nn.Parameter(start)

    def forward(self, images: Tensor) -> Tensor:
        """Return the cells, (N, H/4, W/4, 5)."""
        cells = functional.pixel_shuffle(self.places(images), 2)
        return cells.permute(0, 2, 3, 1).float()

    def places(self, images: Tensor) -> Tensor:
        """Return four neighbouring cells a place, (N, 20, H/8, W/8), as the ONNX file does."""
        x = (images.permute(0, 3, 1, 2).float() - GREY) / SPREAD
        eight = self.eight(self.four(self.stem(x)))
        sixteen = self.sixteen(eight)
        merged = _doubled(self.from_last(self.last(sixteen))) + self.from_sixteen(sixteen)
        merged = functional.relu(_doubled(merged) + self.from_eight(eight))
        answer: Tensor = self.head(self.join(merged))
        return answer


def _doubled(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0)


def boxes_of(cells: Tensor) -> Tensor:
    """
    Return the box that each cell speaks of.

    :param cells: (N, H, W, 5).
    :returns: (N, H, W, 4): left, top, right, bottom, in cells.
    """
    height, width = cells.shape[1:3]
    y = torch.arange(height, device=cells.device)[:, None] + 0.5
    x = torch.arange(width, device=cells.device)[None, :] + 0.5
    wide, tall = cells[..., 3].clamp(-1, 5.5).exp(), cells[..., 4].clamp(-1, 5.5).exp()
    away_x, away_y = cells[..., 1].clamp(-1, 1), cells[..., 2].clamp(-1, 1)
    middle_x, middle_y = x + away_x * wide, y + away_y * tall
    return torch.stack(
        [middle_x - wide / 2, middle_y - tall / 2, middle_x + wide / 2, middle_y + tall / 2], -1
    )


def giou(boxes: Tensor, truth: Tensor) -> Tensor:
    """
    Return the generalised IoU of pairs of boxes, -1 to 1.

    :param boxes: (..., 4): left, top, right, bottom.
    :param truth: likewise.
    """
    low, high = (
        torch.maximum(boxes[..., :2], truth[..., :2]),
        torch.minimum(boxes[..., 2:], truth[..., 2:]),
    )
    common = (high - low).clamp(min=0).prod(-1)
    areas = [(b[..., 2:] - b[..., :2]).clamp(min=0).prod(-1) for b in (boxes, truth)]
    union = areas[0] + areas[1] - common
    hull = (
        torch.maximum(boxes[..., 2:], truth[..., 2:])
        - torch.minimum(boxes[..., :2], truth[..., :2])
    ).prod(-1)
    return common / union.clamp(min=1e-6) - (hull - union) / hull.clamp(min=1e-6)


def finder_loss(
    cells: Tensor, heat: Tensor, counts: Tensor, boxes: Tensor, weights: Tensor
) -> tuple[Tensor, Tensor]:
    """
    Return the focal loss of the heat and the loss of the boxes.

    :param cells: the network's answer, (N, H, W, 5).
    :param heat: wanted heat, (N, H, W), 1 at centres, falling off round them.
    :param counts: (N, H, W), 0 where the heat is not judged.
    :param boxes: (N, H, W, 4), left, top, right, bottom in cells.
    :param weights: (N, H, W), how much a cell's box counts.
    """
    logit = cells[..., 0]
    chance = logit.sigmoid()
    centre = (heat >= 1).float()
    yes = functional.logsigmoid(logit) * (1 - chance) ** 2 * centre
    no = functional.logsigmoid(-logit) * chance**2 * (1 - heat) ** 4 * (1 - centre)
    objects = centre.sum().clamp(min=1)
    heat_loss = -((yes + no) * counts).sum() / objects
    overlap = giou(boxes_of(cells), boxes)
    box_loss = ((1 - overlap) * weights).sum() / weights.sum().clamp(min=1)
    return heat_loss, box_loss
