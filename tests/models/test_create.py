"""create_model: seeds, initial distributions, knobs, stochastic depth, checkpointing, errors."""

import math

import pytest
import torch
from torch import Tensor, nn

from resnetlab import create_model
from resnetlab.errors import UsageError
from resnetlab.models import ResNet
from resnetlab.models.init import INITIALISERS
from resnetlab.network.catalog import model_spec
from resnetlab.network.fields import ConvInit, FcInit

TINY = {"blocks": (1, 1, 1)}


def images(n: int = 4, size: int = 16) -> Tensor:
    return torch.randn(n, 3, size, size, generator=torch.Generator().manual_seed(5))


def test_seed_alone_decides_the_weights() -> None:
    """Equal seeds, equal weights, whatever torch's generator did, which stays untouched."""
    torch.manual_seed(1)
    first = create_model("resnet20", seed=3).state_dict()
    drawn = torch.rand(1)
    second = create_model("resnet20", seed=3).state_dict()
    other = create_model("resnet20", seed=4).state_dict()

    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not torch.equal(first["conv1.weight"], other["conv1.weight"])
    assert torch.equal(torch.rand(1, generator=torch.Generator().manual_seed(1)), drawn)


def test_without_a_seed_torchs_generator_decides() -> None:
    """torch.manual_seed governs, as everywhere in torch."""
    torch.manual_seed(1)
    first = create_model("resnet20", **TINY).conv1.weight
    second = create_model("resnet20", **TINY).conv1.weight
    torch.manual_seed(1)

    assert not torch.equal(first, second)
    assert torch.equal(first, create_model("resnet20", **TINY).conv1.weight)


def test_initialisers_are_those_a_specification_can_name() -> None:
    """The names in ModelSpec and the functions here are the same set."""
    assert {*ConvInit.__args__, *FcInit.__args__} == set(INITIALISERS)


# Variance and largest absolute value (None: unbounded) of a 3x3 convolution from 64 to 32
# channels, whose fan-in is 576 and fan-out 288. The cut is at 2 / .87962566 deviations.
DISTRIBUTIONS = {
    "he_fan_out": (2 / 288, None),
    "he_fan_in": (2 / 576, None),
    "he_truncated": (2 / 576, 2 * math.sqrt(2 / 576) / 0.87962566103423978),
    "lecun_truncated": (1 / 576, 2 * math.sqrt(1 / 576) / 0.87962566103423978),
    "glorot_uniform": (2 / (576 + 288), math.sqrt(6 / (576 + 288))),
    "unit_scaling": (1 / 576, math.sqrt(3 / 576)),
    "torch_default": (1 / (3 * 576), math.sqrt(1 / 576)),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_initial_distributions(name: str) -> None:
    """Mean and variance within 5 standard errors at 18,432 weights, and the bound.

    The variance of an estimated variance is at most that of a normal's: 2 / n of its square.
    """
    variance, bound = DISTRIBUTIONS[name]
    layer = nn.Conv2d(64, 32, 3)
    INITIALISERS[name](layer, torch.Generator().manual_seed(0))
    weight = layer.weight.detach().double()

    count = weight.numel()
    assert abs(weight.mean()) < 5 * math.sqrt(variance / count)
    assert abs(weight.var() / variance - 1) < 5 * math.sqrt(2 / count)
    assert (bound is None) == bool(weight.abs().max() > 3 * math.sqrt(variance))
    if bound is not None:
        assert 0.97 * bound < weight.abs().max() <= bound * (1 + 1e-6)
    assert bool(layer.bias.abs().max() > 0) == (name == "torch_default")


def test_every_value_is_initialised() -> None:
    """Nothing of the memory a network was built in shows: two builds are equal and finite."""
    for name in ("resnet20", "chaoji_resnet20", "keras_resnet20v2", "tfresearch_resnet20"):
        model = create_model(name, seed=0, stochastic_depth=0.5)
        values = dict(model.named_parameters()) | dict(model.named_buffers())
        assert all(bool(value.isfinite().all()) for value in values.values())
        assert model.keep_probability_U.tolist() == pytest.approx(model.spec.keep_probabilities)
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                assert not module.bias.any()
                assert not module.running_mean.any()
                assert bool((module.running_var == 1).all())
                assert module.weight is None or bool((module.weight == 1).all())


@pytest.mark.parametrize(
    "name",
    [
        "resnet20",
        "resnet29_bottleneck",
        "preresnet20",
        "resnet18_v2",
        "resnet20_bn_after_add",
        "resnet20_relu_only_preact",
    ],
)
def test_zero_initialised_branches_give_zero(name: str) -> None:
    """With zero_init_residual no branch counts at first; without, every one does."""
    for is_zero in (True, False):
        spec = model_spec(name).with_(zero_init_residual=is_zero, stem="small")
        model = create_model(spec, seed=0)
        keep_UN = torch.zeros(sum(spec.blocks), 2)
        images_NCHW = images(2)

        same = torch.equal(model(images_NCHW), model(images_NCHW, keep_UN))

        assert is_zero == same


def test_keep_scales_each_units_branch_for_each_sample() -> None:
    """One unit by hand: relu(keep * branch + shortcut), sample by sample."""
    unit = create_model("resnet20", seed=0).eval().layer1[0]
    x = torch.randn(3, 16, 8, 8, generator=torch.Generator().manual_seed(0))
    keep_N = torch.tensor([0.0, 1.0, 1.25])

    branch = unit.bn2(unit.conv2(torch.relu(unit.bn1(unit.conv1(x)))))
    expected = torch.stack([torch.relu(k * b + s) for k, b, s in zip(keep_N, branch, x, strict=True)])

    assert torch.equal(expected, unit(x, keep_N))


def test_stochastic_depth_is_drawn_in_training_only() -> None:
    """In training the mask is 0 or 1/p at the linear rates, in evaluation there is none."""
    model = create_model("resnet20", seed=0, stochastic_depth=0.5)
    torch.manual_seed(0)
    keep_UN = model.draw_keep(20_000)

    for keep_N, probability in zip(keep_UN, model.spec.keep_probabilities, strict=True):
        is_kept = keep_N > 0
        assert set(keep_N.tolist()) == {0.0, float(1 / torch.tensor(probability))}
        # 5 standard errors of a share of 20,000
        error = 5 * math.sqrt(probability * (1 - probability) / 20_000)
        assert abs(is_kept.float().mean() - probability) < error
    x = images()
    torch.manual_seed(7)
    drawn = model(x)
    torch.manual_seed(7)
    assert torch.equal(drawn, model(x, model.draw_keep(len(x))))
    assert not torch.equal(drawn, model(x, torch.ones(9, len(x))))
    assert torch.equal(model.eval()(x), model(x, torch.ones(9, len(x))))


@pytest.mark.parametrize(
    "name",
    [
        "resnet20",
        "preresnet20",
        "chaoji_resnet20",
        "tfresearch_resnet20",
        "resnet20_relu_only_preact",
        "resnet20_exclusive_gating",
        "resnet20_dropout_shortcut",
    ],
)
def test_checkpointing_changes_nothing_but_memory(name: str) -> None:
    """Gradients, running statistics and batch counts equal those without, bit by bit."""
    results = []
    for is_checkpointing in (False, True):
        torch.manual_seed(0)
        model = create_model(name, seed=0, checkpoint_activations=is_checkpointing, stochastic_depth=0.3)
        for _ in range(2):
            model(images()).square().sum().backward()
        gradients = {key: p.grad for key, p in model.named_parameters()}
        results.append(gradients | dict(model.named_buffers()))

    assert results[0].keys() == results[1].keys()
    assert [k for k in results[0] if not torch.equal(results[0][k], results[1][k])] == []


def test_checkpointing_computes_units_again() -> None:
    """The memory is saved by a second pass through each unit, in training only."""
    model = create_model("resnet20", seed=0, checkpoint_activations=True)
    calls: list[str] = []
    model.layer2[1].conv1.register_forward_hook(lambda *_: calls.append("conv1"))

    model(images()).sum().backward()
    assert len(calls) == 2
    model.eval()(images())
    assert len(calls) == 3


@pytest.mark.parametrize("name", ["resnet20", "chaoji_tf2_resnet20", "tfresearch_resnet20"])
def test_one_graph_for_the_compiler(name: str) -> None:
    """torch.compile sees the whole network without a break, and gives the same numbers."""
    torch._dynamo.reset()
    model = create_model(name, seed=0, **TINY)
    reference = create_model(name, seed=0, **TINY)
    compiled = torch.compile(model, backend="eager", fullgraph=True)

    assert torch.equal(reference(images()), compiled(images()))
    assert torch.equal(reference.eval()(images()), compiled.eval()(images()))
    assert list(reference.state_dict()) == list(model.state_dict())


@pytest.mark.kernels
def test_checkpointing_compiled() -> None:
    """Compiled too, the statistics count each batch once, and the gradients are the same."""
    torch._dynamo.reset()
    plain = create_model("preresnet20", seed=0, **TINY)
    model = create_model("preresnet20", seed=0, checkpoint_activations=True, **TINY)

    plain(images()).square().sum().backward()
    torch.compile(model, backend="aot_eager", fullgraph=True)(images()).square().sum().backward()

    assert list(plain.state_dict()) == list(model.state_dict())
    for theirs, ours in zip(plain.buffers(), model.buffers(), strict=True):
        assert torch.equal(theirs, ours)
    for theirs, ours in zip(plain.parameters(), model.parameters(), strict=True):
        # The compiler adds gradients up in an order of its own: a few units of float32's 1e-7.
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["resnet20", "chaoji_resnet20", "keras_resnet20v2", "resnet18_v2"])
def test_channels_last_stays(name: str) -> None:
    """Every unit of a channels_last network gives on channels_last maps."""
    model = create_model(name, seed=0, stem="small").to(memory_format=torch.channels_last)
    layouts: list[bool] = []
    for module in model.modules():
        if type(module).__name__ == "ResidualUnit":
            module.register_forward_hook(
                lambda _m, _i, out: layouts.append(out.is_contiguous(memory_format=torch.channels_last))
            )

    model(images().to(memory_format=torch.channels_last))

    assert [True] * len(model.unit_names) == layouts


@pytest.mark.parametrize(
    "name",
    [
        "resnet8",
        "plain8",
        "preresnet11_bottleneck",
        "keras_resnet11v2",
        "chaoji_plain20",
        "tfresearch_cifar100_resnet8",
        "tfofficial_cifar_resnet8v1",
    ],
)
def test_knobs_and_odd_sizes(name: str) -> None:
    """Other channels, classes and sizes than the nominal ones: logits of that shape."""
    model = create_model(name, seed=0, in_channels=1, classes=7, width=0.5).eval()

    assert model(torch.zeros(2, 1, 20, 12)).shape == (2, 7)


def test_a_replaced_head_is_used() -> None:
    """model.fc = nn.Linear(...) does what a user expects."""
    model = create_model("resnet20", seed=0)
    model.fc = nn.Linear(64, 3)

    assert model(images()).shape == (4, 3)


def raised(model: ResNet, *args: Tensor) -> str:
    with pytest.raises(UsageError) as caught:
        model(*args)
    return str(caught.value)


def test_unsuitable_images_are_refused_clearly() -> None:
    """Channels, dimensions, sizes and masks: each error says what was expected."""
    model = create_model("chaoji_resnet20", seed=0)

    expected = "chaoji_resnet20 takes images of shape (N, 3, H, W), got (2, 1, 32, 32)"
    assert expected in raised(model, torch.zeros(2, 1, 32, 32))
    assert "got (3, 32, 32)" in raised(model, torch.zeros(3, 32, 32))
    assert "for images of 31x32 px" in raised(model, torch.zeros(2, 3, 31, 32))
    expected = "(units, samples) = (9, 4) and the units a shortcut; got (9, 3)"
    assert expected in raised(model, images(), torch.ones(9, 3))
    plain = create_model("plain20", seed=0)
    assert "the units a shortcut" in raised(plain, images(), torch.ones(9, 4))


def test_wrong_names_and_knobs_are_refused() -> None:
    """The catalog's and the specification's errors come through."""
    with pytest.raises(UsageError, match="no model is called 'resnext50'"):
        create_model("resnext50")
    with pytest.raises(UsageError, match="no such model knob: num_classes"):
        create_model("resnet20", num_classes=5)
