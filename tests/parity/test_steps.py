"""Training steps of TensorFlow, made by ours from the same weights and images: see steps.py.

The update is compared tensor by tensor, the running statistics' too: 1e-4 of its largest number.
"""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from resnetlab.models import ResNet
from resnetlab.recipe.named import named_recipe
from resnetlab.recipe.settings import override
from resnetlab.training.step.optim import build_optimizer
from resnetlab.training.step.steps import TrainStep
from resnetlab.weights import load_weights
from resnetlab.weights.recognising import followed_by_norm
from tests.kit.single_steps import Samples
from tests.kit.small_runs import CPU

FOLDER = Path(os.environ.get("RESNETLAB_PARITY", ""))
pytestmark = pytest.mark.skipif("RESNETLAB_PARITY" not in os.environ, reason="`make test-parity` runs it")
TOLERANCE = 1e-4
VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
RATES, KERAS_RATE = (0.01, 0.1), 1e-3

# What steps.py made, by its name there: the recipe, the images' side, the classes.
CASES = {
    "chaoji_tf1": ("chaoji", 32, 10),
    "chaoji_tf2": ("chaoji-tf2", 32, 10),
    "official_cifar_v1": ("tfofficial-cifar", 32, 10),
    "official_cifar_v2": ("tfofficial-cifar", 32, 10),
    "official_18_v1": ("tfofficial-imagenet", 64, 1001),
    "official_50_v2": ("tfofficial-imagenet", 64, 1001),
    "research": ("tfresearch", 32, 10),
}


def batch(size: int, classes: int) -> Samples:
    """steps.py's, the same seed."""
    rng = np.random.default_rng(4)
    images = rng.normal(0, 1, (8, size, size, 3)).astype(np.float32)
    return Samples(
        torch.from_numpy(images).permute(0, 3, 1, 2).double(), torch.from_numpy(rng.integers(0, classes, 8))
    )


def steps(
    name: str, recipe: str, rates: tuple[float, ...], samples: Samples, suffix: str = ""
) -> tuple[list[dict[str, Tensor]], list[dict[str, Tensor]], ResNet]:
    """What each step changed, ours and TensorFlow's, by our names."""
    path = FOLDER / f"step_{name}{suffix}"
    first, report = load_weights(None, path if suffix or Path(f"{path}.index").is_file() else f"{path}-1")
    model = ResNet(report.spec)
    model.load_state_dict(first)
    model.double()
    chosen = override(named_recipe(recipe), {"compile": "off"})
    optimizer = build_optimizer(model, chosen.optimizer)
    step = TrainStep(model, optimizer, chosen, CPU)
    changes, theirs = np.load(FOLDER / f"step_{name}.npz"), report.matched
    found, expected, before = [], [], {key: first[key].double() for key in theirs}
    for number, rate in enumerate(rates):
        if recipe == "keras":
            for group in optimizer.param_groups:
                group["eps"] = 1e-7 / (1 - 0.999 ** (number + 1)) ** 0.5
        step(samples, step=number, lr=rate)
        state = {key: model.state_dict()[key].clone() for key in theirs}
        found.append({key: state[key] - before[key] for key in theirs})
        raw = {key: changes[f"{number}/{other.removesuffix(VALUE)}"] for key, other in theirs.items()}
        expected.append({key: as_ours(torch.from_numpy(each), state[key]) for key, each in raw.items()})
        before = state
    return found, expected, model


def as_ours(tensor: Tensor, like: Tensor) -> Tensor:
    """In torch's layout; a classifier that is a 1x1 convolution is a matrix."""
    tensor = tensor.permute(3, 2, 0, 1) if tensor.dim() == 4 else tensor.T if tensor.dim() == 2 else tensor
    return tensor.reshape(like.shape)


def far(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize("name", CASES)
def test_steps_are_tensorflows(name: str) -> None:
    recipe, size, classes = CASES[name]

    ours, theirs, _ = steps(name, recipe, RATES, batch(size, classes))

    for number, (found, expected) in enumerate(zip(ours, theirs, strict=True)):
        differ = {key: far(found[key], value) for key, value in expected.items()}
        worst = max(differ, key=lambda key: differ[key])
        print(f"{name}, step {number}: {differ[worst]:.1e} ({worst}), {len(differ)} tensors")
        assert differ[worst] < TOLERANCE


@pytest.mark.parametrize("name", ["keras_resnet20v1", "keras_resnet20v2"])
def test_a_step_of_keras_example_is_kerass(name: str) -> None:
    """But for one thing: torch corrects the second moment and then adds eps, Keras the other way round.

    So Keras' eps is 3.2e-6 in the first step, and 1e-7 from some thousand on; here torch's is made to follow.
    Adam divides a gradient by its own size: where that is below eps, a rounding of it is all of the update.
    Compared are therefore the numbers that the step moved by 0.9 of the rate or more; biases before a BN have
    no gradient. It is one step: what is not compared would move activations over a ReLU's zero in the next.
    """
    (found,), (expected,), model = steps(name, "keras", (KERAS_RATE,), batch(32, 10), ".h5")

    idle = {f"{conv}.bias" for conv in followed_by_norm(model.spec)}
    assert all(float(each[key].abs().max()) < 1e-4 * KERAS_RATE for key in idle for each in (found, expected))
    sure = {
        key: torch.ones_like(value) if "running" in key else (value.abs() > 0.9 * KERAS_RATE).double()
        for key, value in expected.items()
        if key not in idle
    }
    differ = {key: far(found[key] * mask, expected[key] * mask) for key, mask in sure.items()}
    worst = max(differ, key=lambda key: differ[key])
    share = sum(float(mask.sum()) for mask in sure.values()) / sum(mask.numel() for mask in sure.values())
    print(f"{name}: {differ[worst]:.1e} ({worst}), {share:.1%} of the numbers")
    assert differ[worst] < TOLERANCE
    assert share > 0.9
