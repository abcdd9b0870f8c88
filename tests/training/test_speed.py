"""What a dry run and `doctor` measure stays small, whatever the network and the processor."""

from typing import Any

import pytest
from torch.utils.flop_counter import FlopCounterMode

from resnetlab.base.machine.rates import matmul_rate
from resnetlab.network.catalog import model_spec
from resnetlab.training.planning import make_plan
from resnetlab.training.speed import estimate
from tests.kit.small_runs import CPU, small_recipe, small_source


def _operations(call: Any) -> int:
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops()


@pytest.mark.parametrize("width", [1, 4])
def test_an_estimate_is_made_of_three_small_steps_alone(width: int) -> None:
    """It once measured the bf16 matrix product too: 150 s where the processor has none."""
    spec = model_spec("resnet8").with_(width=width)
    plan = make_plan(spec, small_source(), "small", small_recipe(batch=60), CPU)
    step = min(6 * plan.spec.num_multiply_adds(*plan.training_size) * 32, 2e10)
    told: dict[str, str] = {}
    spent = _operations(lambda: told.update(estimate(plan)))
    assert 0.3 * step < spent < 3.3 * step
    assert "images/s" in told["estimate"]


def test_a_matrix_product_grows_only_until_it_can_be_timed() -> None:
    """One of 2,048 rows is 17 billion operations; a slow processor's rate is told by fewer."""
    assert 0 < _operations(lambda: matmul_rate(CPU, seconds=1e-6)) <= 4 * 2 * 256**3
    assert matmul_rate(CPU, seconds=1e-3) > 1e8
