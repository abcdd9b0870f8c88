"""SAME padding, biased variance and in-place activations, each against its definition."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from resnetlab import create_model
from resnetlab.models.layers import BiasedBatchNorm2d, SameConv2d, SamePool2d, build
from resnetlab.network.catalog import list_models
from resnetlab.network.layers import Act, Conv, Norm, Pool


def slow_same(x: Tensor, kernel: int, stride: int, reduce: str, weight: Tensor) -> Tensor:
    """SAME by its definition: output i sees pixels i * stride - before + [0, kernel), if any."""
    rows, columns = (-(-size // stride) for size in x.shape[2:])
    before = [
        max((n - 1) * stride + kernel - size, 0) // 2
        for n, size in ((rows, x.shape[2]), (columns, x.shape[3]))
    ]
    out = torch.zeros(*x.shape[:2], rows, columns, dtype=x.dtype)
    for row in range(rows):
        for column in range(columns):
            pixels = [
                (i, j, row * stride - before[0] + i, column * stride - before[1] + j)
                for i in range(kernel)
                for j in range(kernel)
            ]
            inside = [p for p in pixels if 0 <= p[2] < x.shape[2] and 0 <= p[3] < x.shape[3]]
            values = torch.stack([x[:, :, p[2], p[3]] for p in inside])
            if reduce == "max":
                out[:, :, row, column] = values.amax(0)
            elif reduce == "average":
                out[:, :, row, column] = values.mean(0)
            else:
                taps = torch.stack([weight[:, 0, p[0], p[1]] for p in inside])
                out[:, :, row, column] = (values * taps[:, None]).sum(0)
    return out


SIZES = [(8, 8), (7, 7), (8, 7), (5, 6), (2, 1), (3, 16)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kernel", [1, 3, 7])
def test_same_convolution(size: tuple[int, int], kernel: int) -> None:
    """Even and odd sizes, mixed too; float64, so that only the order of sums differs: 1e-12."""
    torch.manual_seed(0)
    x = torch.randn(2, 3, *size, dtype=torch.double)
    conv = SameConv2d(3, 3, kernel, 2, groups=3, bias=False).double()
    # SameConv2d has no groups of its own; a diagonal weight stands for them.
    full = torch.zeros(3, 3, kernel, kernel, dtype=torch.double)
    for channel in range(3):
        full[channel, channel] = conv.weight[channel, 0].detach()
    layer = SameConv2d(3, 3, kernel, 2, bias=False).double()
    layer.weight.data.copy_(full)

    result = layer(x)

    expected = slow_same(x, kernel, 2, "sum", conv.weight.detach())
    torch.testing.assert_close(result, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["max", "average"])
@pytest.mark.parametrize("kernel", [2, 3])
def test_same_pooling(size: tuple[int, int], kind: str, kernel: int) -> None:
    """Padding wins no maximum (all values are negative) and counts in no average."""
    torch.manual_seed(0)
    x = -1 - torch.rand(2, 3, *size, dtype=torch.double)

    result = SamePool2d(kind, kernel, 2)(x)

    expected = slow_same(x, kernel, 2, kind, torch.empty(0))
    torch.testing.assert_close(result, expected, rtol=1e-14, atol=1e-14)


def test_biased_variance_in_the_running_statistics() -> None:
    """Only the running variance differs from torch's: it averages NumPy's biased one."""
    torch.manual_seed(0)
    x = torch.randn(4, 3, 5, 5, dtype=torch.double)
    ours, torchs = (kind(3, eps=1e-3, momentum=0.1).double() for kind in (BiasedBatchNorm2d, nn.BatchNorm2d))
    for norm in (ours, torchs):
        norm.running_var.fill_(3.0)

    assert torch.equal(torchs(x), ours(x))
    expected = 0.9 * 3.0 + 0.1 * np.var(x.numpy(), axis=(0, 2, 3))
    np.testing.assert_allclose(ours.running_var.numpy(), expected, rtol=1e-14)
    assert torch.equal(torchs.running_mean, ours.running_mean)
    assert ours.num_batches_tracked == 1
    assert torch.equal(
        ours.eval()(x),
        nn.functional.batch_norm(
            x, ours.running_mean, ours.running_var, ours.weight, ours.bias, False, 0.1, 1e-3
        ),
    )


def test_layers_become_what_they_say() -> None:
    """A few layers whose settings no named network's forward pass would show."""
    assert build(Norm("n", 4, False, 1e-3, 0.1, False), in_place=False).weight is None
    assert build(Act("a", 0.1), in_place=True).negative_slope == 0.1
    assert build(Conv("c", 3, 4, 3, 2, 1, True), in_place=False).bias.shape == (4,)
    with_zeros = build(Pool("p", "average", 3, 2, 1), in_place=False)
    assert torch.equal(with_zeros(torch.ones(1, 1, 4, 4)), torch.ones(1, 1, 2, 2))


REPRESENTATIVE = [name for name in list_models() if "20" in name and "wrn" not in name]
REPRESENTATIVE += ["resnet110_relu_only_preact", "resnet164_bn_after_add", "resnet50_v2"]


@pytest.mark.parametrize(
    "name", [name for name in REPRESENTATIVE if "resnet200" not in name and "1202" not in name]
)
def test_overwriting_activations_change_no_gradient(name: str) -> None:
    """In place or not: the same logits and gradients, bit by bit."""
    blocks = (1,) * (4 if name == "resnet50_v2" else 3)
    results = []
    for in_place in (True, False):
        model = create_model(name, seed=0, blocks=blocks)
        for module in model.modules():
            if isinstance(module, nn.ReLU | nn.LeakyReLU):
                module.inplace = module.inplace and in_place
        images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
        logits = model(images)
        logits.square().sum().backward()
        results.append((logits, [p.grad for p in model.parameters()]))

    assert torch.equal(results[0][0], results[1][0])
    for ours, safe in zip(results[0][1], results[1][1], strict=True):
        assert torch.equal(ours, safe)


@pytest.mark.parametrize(("channels", "size"), [((8, 16), 56), ((4, 16), 57), ((12, 8), 33)])
def test_a_narrow_strided_point_convolution_is_torchs_and_has_a_gradient(
    channels: tuple[int, int], size: int
) -> None:
    """In NHWC order, where the CPU's own gradient of it ends the process."""
    conv = build(Conv("conv", *channels, 1, 2, 0, bias=False), in_place=False)
    assert isinstance(conv, nn.Conv2d)
    reference = nn.Conv2d(*channels, 1, 2, bias=False)
    reference.load_state_dict(conv.state_dict())
    conv.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    images = torch.randn(2, channels[0], size, size, generator=torch.Generator().manual_seed(0))
    nhwc = images.to(memory_format=torch.channels_last)

    found, expected = conv(nhwc), reference(images)
    found.square().sum().backward()
    expected.square().sum().backward()

    # Sums in another order: float32.
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert conv.weight.grad is not None and reference.weight.grad is not None
    torch.testing.assert_close(conv.weight.grad, reference.weight.grad, rtol=1e-4, atol=1e-3)
