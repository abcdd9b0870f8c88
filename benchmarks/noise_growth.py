"""How a rounding in the gradient grows from step to step, beside what the steps change.

    python benchmarks/noise_growth.py resnet20 --recipe he2015 --data cifar-10-batches-bin

Steps are made twice from one state, the second time with every gradient times 1 + NOISE * a normal number.
The table has the norm of the difference as a share of the norm of the change: of all weights and
statistics, and of the optimizer's state. It says how strict the trial of a recorded step can be
(`training/recorded/trial.py`).
"""

import argparse
import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from resnetlab.base.units import Duration
from resnetlab.network.catalog import model_spec
from resnetlab.recipe.named import named_recipe
from resnetlab.recipe.settings import override
from resnetlab.runs.directory import RunDirectory, claim_new
from resnetlab.show.tables.align import table
from resnetlab.training.asking import Asked, plan_training
from resnetlab.training.observer import Observer
from resnetlab.training.session import start
from resnetlab.training.trainer import Trainer

GROUPS = ("model", "optimizer")


@contextlib.contextmanager
def noisy(model: nn.Module, noise: float) -> Iterator[None]:
    """Have every gradient disturbed until the end of the block."""
    generator = torch.Generator().manual_seed(1)
    hooks = [
        parameter.register_hook(lambda g: g * (1 + noise * torch.randn(g.shape, generator=generator)))  # type: ignore[no-untyped-call]
        for parameter in model.parameters()
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def tensors_of(trainer: Trainer) -> dict[str, Tensor]:
    """Return weights, statistics and optimizer state by "group/name"."""
    found = trainer.state.tensors()
    return {f"{group}/{name}": t for group in GROUPS for name, t in found[group].items()}


def copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return copies."""
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


def put_back(trainer: Trainer, values: Mapping[str, Tensor]) -> None:
    """Put copies back."""
    with torch.no_grad():
        for name, tensor in tensors_of(trainer).items():
            tensor.copy_(values[name])


def distance(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor], group: str) -> float:
    """Return the norm of the difference of all tensors of a group."""
    names = [name for name in ours if name.startswith(f"{group}/") and ours[name].is_floating_point()]
    return float(sum((ours[name].double() - theirs[name].double()).square().sum() for name in names) ** 0.5)


def growth(trainer: Trainer, count: int, noise: float, *, at_zero: bool) -> list[float]:
    """Return the shares of the groups after `count` steps; the state is left as it was."""
    first = trainer.state.step
    results, before = [], copied(tensors_of(trainer))
    for disturbance in (contextlib.nullcontext(), noisy(trainer.state.model, noise)):
        with disturbance:
            for step in range(first, first + count):
                lr = 0.0 if at_zero else trainer.rate.at(step)
                trainer.step_function(trainer.batches.at(step), step=step, lr=lr)
        results.append(copied(tensors_of(trainer)))
        put_back(trainer, before)
    expected, disturbed = results
    return [
        distance(expected, disturbed, group) / (distance(before, expected, group) or 1.0) for group in GROUPS
    ]


def main() -> None:
    """Train a little, disturb, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--data", default="cifar10")
    parser.add_argument("--recipe", default="he2015")
    parser.add_argument("--noise", type=float, nargs="+", default=[1e-3, 1e-5])
    options = parser.parse_args()
    spec = model_spec(options.model)
    changes = {"compile": "off", "precision": "fp32", "length": Duration(1000, "st")}
    recipe = override(named_recipe(options.recipe, spec.depth), changes)
    rows = []
    with tempfile.TemporaryDirectory() as work, claim_new(Path(work) / "run"):
        plan = plan_training(spec, Asked(data=options.data, recipe=recipe, device="cpu"))[0]
        trainer = start(plan, RunDirectory(Path(work) / "run"), Observer())
        for done in (3, 50):
            trainer.program.run(done)
            for noise in options.noise:
                for count, at_zero in ((1, False), (10, False), (10, True)):
                    shares = growth(trainer, count, noise, at_zero=at_zero)
                    rate = "0" if at_zero else "the recipe's"
                    rows.append(
                        (
                            str(trainer.state.step),
                            f"{noise:g}",
                            str(count),
                            rate,
                            *(f"{s:.1e}" for s in shares),
                        )
                    )
        trainer.close()
    print(table(("after", "noise", "steps", "rate", *GROUPS), rows, left=0))


if __name__ == "__main__":
    main()
