"""What ends a shortcut: gates and their first biases, dropout number by number."""

from typing import Any

import pytest
import torch

from resnetlab import create_model
from resnetlab.base import randomness
from resnetlab.errors import UsageError
from resnetlab.models.layers import Gate, dropped
from resnetlab.network.catalog import model_spec


def test_the_parameters_of_gates_and_of_projections_are_those_counted_by_hand() -> None:
    """18 units a stage; one of the second and third stage reads half as many channels."""
    original = model_spec("resnet110").num_parameters
    same = 18 * 16**2 + 17 * 32**2 + 17 * 64**2
    matrices, outputs = same + 16 * 32 + 32 * 64, 18 * (16 + 32 + 64)
    counts = {
        "constant_scaling": original,
        "dropout_shortcut": original,
        "exclusive_gating": original + matrices + outputs,  # a bias for each output
        "shortcut_gating": original + matrices + outputs,
        "conv_shortcut": original + matrices + 2 * outputs,  # BN's gamma and beta
    }
    products = 18 * 16**2 * 32**2 + 17 * 32**2 * 16**2 + 17 * 64**2 * 8**2 + 16 * 32 * 16**2 + 32 * 64 * 8**2

    for name, count in counts.items():
        spec = model_spec(f"resnet110_{name}")
        assert (spec.num_parameters, spec.depth) == (count, 110), name
        more = 0 if count == original else products
        assert spec.num_multiply_adds() == model_spec("resnet110").num_multiply_adds() + more


def test_gates_start_with_the_bias_that_is_asked_for_and_weights_as_all_convolutions() -> None:
    model = create_model("resnet20_shortcut_gating", seed=0)
    gates = [module for module in model.modules() if isinstance(module, Gate)]

    assert len(gates) == 9
    for gate in gates:
        assert gate.bias is not None and bool((gate.bias == -6).all())
    wide = gates[-1].weight.detach()
    assert abs(float(wide.std()) - (2 / 64) ** 0.5) < 0.01
    closed = gates[0](torch.zeros(1, 16, 4, 4))
    torch.testing.assert_close(closed, torch.full((1, 16, 4, 4), 1 / (1 + 2.718281828459045**6)))
    assert gates[0].bfloat16()(torch.zeros(1, 16, 4, 4).bfloat16()).dtype == torch.float32


def kept_by_hand(key: int, count: int, rate: float) -> list[float]:
    """The same hash in Python's own integers, one number after another."""
    return [float(randomness.uniform(randomness.fold(key, place)) >= rate) for place in range(count)]


def test_dropout_drops_by_key_and_place_and_evaluation_has_the_mean() -> None:
    unit = create_model("resnet20_dropout_shortcut", seed=0, shortcut_dropout=0.25).layer1[1]
    x = torch.randn(2, 16, 4, 4, generator=torch.Generator().manual_seed(0)).relu() + 0.5
    keys_N = torch.tensor([123, 2**32 - 1])
    mask = torch.tensor([kept_by_hand(int(key), x[0].numel(), 0.25) for key in keys_N]).view(x.shape)

    def branch() -> torch.Tensor:
        return unit.bn2(unit.conv2(torch.relu(unit.bn1(unit.conv1(x)))))  # type: ignore[no-any-return]

    assert torch.equal(unit(x, None, keys_N), torch.relu(branch() + mask * x))
    unit.eval()
    assert torch.equal(unit(x, None, keys_N), torch.relu(branch() + 0.75 * x))

    x.requires_grad_()
    dropped(x, keys_N, 0.25).sum().backward()
    assert torch.equal(x.grad, mask)
    share = dropped(torch.ones(1, 100_000), torch.tensor([5]), 0.25).mean()
    assert abs(share - 0.75) < 5 * (0.25 * 0.75 / 100_000) ** 0.5  # five standard errors


def test_keys_are_drawn_where_none_are_given_and_others_are_refused() -> None:
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    model = create_model("resnet20_dropout_shortcut", seed=0)
    torch.manual_seed(3)
    first = model(images)
    torch.manual_seed(3)

    assert torch.equal(model(images), first)
    assert not torch.equal(model(images), first)
    assert torch.equal(model.eval()(images), model(images))
    for name, shape in (("resnet20_dropout_shortcut", (9, 3)), ("resnet20", (9, 2))):
        with pytest.raises(UsageError, match=r"keys_UN must have the shape \(units, samples\) = \(9, 2\)"):
            create_model(name, seed=0)(images, None, torch.zeros(shape, dtype=torch.int64))


@pytest.mark.parametrize(
    "knobs", [{"shortcut_gate": "exclusive", "gate_bias": -6.0}, {"shortcut_scale": 0.5}]
)
def test_pre_activated_networks_have_them_too(knobs: dict[str, Any]) -> None:
    """A gate reads what the shortcut reads: in the first unit the pre-activation."""
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    model = create_model("preresnet20", seed=0, **knobs)
    found = model(images)

    found.sum().backward()

    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
