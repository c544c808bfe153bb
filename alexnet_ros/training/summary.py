"""Layer by layer: shapes, receptive fields, parameters, multiply-adds."""

from dataclasses import dataclass

import torch
from torch import nn

from alexnet_ros.training.network import AlexNet, Conv


@dataclass(frozen=True)
class Row:
    """
    One layer.

    :param output: channels, height and width, or values.
    :param field_px: side of the input square that one output value sees.
    :param step_px: input pixels between neighbouring outputs.
    :param parameters: weights and biases, batch normalisation left out.
    :param multiply_adds: for one image.
    """

    name: str
    output: tuple[int, ...]
    field_px: int
    step_px: int
    parameters: int
    multiply_adds: int


@torch.no_grad()
def summary(network: AlexNet) -> list[Row]:
    """Return a row for each convolution, pooling and fully connected layer."""
    arch = network.architecture
    x = torch.zeros(1, 3, arch.size_px, arch.size_px)
    field, step, convs, pools = 1, 1, 0, 0
    rows = []
    network = network.eval()
    for module in network.features:
        x = module(x)
        if not isinstance(module, (Conv, nn.MaxPool2d)):
            continue
        kernel = (
            module.kernel_size if isinstance(module.kernel_size, int) else module.kernel_size[0]
        )
        stride = module.stride if isinstance(module.stride, int) else module.stride[0]
        field, step = field + (kernel - 1) * step, step * stride
        parameters, work = 0, 0
        if isinstance(module, Conv):
            convs += 1
            name = f'conv{convs}'
            bias = 0 if module.bias is None else module.bias.numel()
            parameters = module.weight.numel() + bias
            work = module.weight.numel() * x.shape[2] * x.shape[3]
        else:
            pools += 1
            name = f'pool{pools}'
        rows.append(Row(name, tuple(x.shape[1:]), field, step, parameters, work))
    full = 5
    for slot in (1, 4, 6):
        full += 1
        part = network.classifier[slot]
        matrices = [m for m in part.modules() if isinstance(m, nn.Linear)]
        parameters = sum(p.numel() for p in part.parameters())
        work = sum(m.weight.numel() for m in matrices)
        rows.append(
            Row(
                f'fc{full}',
                (matrices[-1].out_features,),
                arch.size_px,
                arch.size_px,
                parameters,
                work,
            )
        )
    return rows


def summary_text(network: AlexNet) -> str:
    """Return the summary as a table."""
    rows = summary(network)
    lines = [f'{"layer":<7}{"output":<16}{"sees px":>8}{"step":>6}{"parameters":>12}{"MACs":>14}']
    for row in rows:
        shape = 'x'.join(str(size) for size in row.output)
        lines.append(
            f'{row.name:<7}{shape:<16}{row.field_px:>8}{row.step_px:>6}'
            f'{row.parameters:>12,}{row.multiply_adds:>14,}'
        )
    parameters = sum(row.parameters for row in rows)
    lines.append(f'{"total":<37}{parameters:>12,}{sum(row.multiply_adds for row in rows):>14,}')
    return '\n'.join(lines)
