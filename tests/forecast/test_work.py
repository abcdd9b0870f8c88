"""The time of computing: operations and bytes counted by hand, and rates that others have published."""

import math
from dataclasses import replace

import pytest

from resnetlab.errors import UsageError
from resnetlab.forecast.kinds import KINDS, DeviceKind
from resnetlab.forecast.machines import Execution, Machine, assumptions_of, machine_of, meeting
from resnetlab.forecast.work import (
    Kernel,
    Processor,
    evaluation_kernels,
    training_kernels,
    update_kernel,
)
from resnetlab.network.catalog import model_spec
from resnetlab.network.layers import Act, Conv, Linear, Norm, Pool
from resnetlab.network.spec import ModelSpec

EAGER = Execution(
    precision="fp16", is_compiled=False, is_recorded=False, is_exact=False, numbers_per_weight=3,
    sizes=((224, 224, 1.0),), scored_size=(224, 224),
)  # fmt: skip
RTX_3090 = DeviceKind(
    name="rtx3090", title="RTX 3090", half=71, fp32=35.6, memory_rate=936, memory=24, card="whitepaper",
    devices_per_host=1, cores=8, network=1, host="", link=1, link_source="",
)  # fmt: skip


def _rate(kind: DeviceKind, model: str, how: Execution, batch: int) -> float:
    """Return images a second of one device."""
    machine = machine_of(kind, model_spec(model), how, assumptions_of(kind, how))
    return batch / (machine.shard_seconds(batch) + machine.update_seconds)


def test_a_kernel_takes_as_long_as_what_holds_it_up_the_longest() -> None:
    processor = Processor(operations=1e3, bytes=100, number_bytes=2, kernel=0.5, launch=0.0)

    assert processor.seconds((Kernel(operations=600, numbers=10),), 4) == 600 * 4 / 1e3
    assert (
        processor.seconds((Kernel(operations=600, numbers=60, fixed_bytes=20),), 4) == (60 * 4 * 2 + 20) / 100
    )
    assert processor.seconds((Kernel(operations=1, numbers=1, count=3),), 4) == 3 * 0.5
    late = replace(processor, launch=2.0)
    assert late.seconds((Kernel(operations=600, numbers=10, count=2),), 4) == 600 * 4 / 1e3 * 2  # 4.8 > 2 x 2
    assert late.seconds((Kernel(operations=1, numbers=1, count=3),), 4) == 3 * 2.0


@pytest.mark.parametrize("name", ["resnet20", "plain20", "preresnet20", "resnet50", "chaoji_resnet20"])
def test_training_multiplies_three_times_but_for_the_images_own_gradient(name: str) -> None:
    spec = model_spec(name)
    size = (spec.input_size, spec.input_size)
    first = next(row for row in spec.shapes() if isinstance(row.layer, Conv))
    products = spec.num_multiply_adds()
    first_products = first.layer.kernel**2 * first.layer.in_channels * math.prod(first.output)  # type: ignore[union-attr]

    trained = sum(
        kernel.count * kernel.operations for kernel in training_kernels(spec, *size, is_compiled=False)
    )
    scored = sum(kernel.count * kernel.operations for kernel in evaluation_kernels(spec, *size))

    assert trained == 2 * (3 * products - first_products)
    assert scored == 2 * products


def _numbers_by_hand(spec: ModelSpec) -> tuple[float, float]:
    """Return the numbers that an eager and a compiled training step move for one image."""
    eager = compiled = 0.0
    rows = spec.shapes()
    for index, row in enumerate(rows):
        taken, made = math.prod(row.input), math.prod(row.output)
        match row.layer:
            case Conv() | Linear():
                both = (2 if index == 0 else 3) * (taken + made)
            case Norm():
                both = 8 * made
            case Act():
                both, eager = 0, eager + 5 * made
            case Pool():
                both = 2 * (taken + made)
            case _:
                raise AssertionError(row)
        eager, compiled = eager + both, compiled + both
    for unit in spec.plan().units:
        last = [row for row in rows if row.unit == unit.name and row.place == "branch"][-1]
        eager += 6 * math.prod(last.output)
        compiled += 3 * math.prod(last.output)
    return eager, compiled


@pytest.mark.parametrize("name", ["resnet50", "resnet18"])
def test_a_step_moves_what_a_walk_over_all_layers_counts(name: str) -> None:
    spec = model_spec(name)
    found = [
        sum(
            kernel.count * kernel.numbers for kernel in training_kernels(spec, 224, 224, is_compiled=compiled)
        )
        for compiled in (False, True)
    ]
    assert found == [*_numbers_by_hand(spec)]


def test_an_update_reads_all_and_writes_all_but_the_gradient() -> None:
    assert update_kernel(100, 3).fixed_bytes == 4 * 100 * (3 + 2)


@pytest.mark.parametrize(
    ("kind", "model", "batch", "published"),
    [
        (KINDS["v100"], "resnet50", 256, 1200),  # NVIDIA/DeepLearningExamples
        (KINDS["a100"], "resnet50", 256, 2470),
        (RTX_3090, "resnet18", 512, 3481.78),  # timm, benchmark-train-amp-nhwc-pt112-cu113-rtx3090.csv
        (RTX_3090, "resnet34", 512, 2036.51),
        (RTX_3090, "resnet50", 512, 1218.01),
        (RTX_3090, "resnet101", 256, 747.89),
        (RTX_3090, "resnet152", 192, 501.44),
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_in_half_precision_published_rates_are_met_within_15_percent(
    kind: DeviceKind, model: str, batch: int, published: float
) -> None:
    assert 0.85 < _rate(kind, model, EAGER, batch) / published < 1.15


def test_in_fp32_one_published_rate_each_is_met_as_fitted() -> None:
    fp32 = replace(EAGER, precision="fp32")

    assert _rate(KINDS["v100"], "resnet50", fp32, 112) == pytest.approx(367, rel=0.01)
    assert _rate(KINDS["a100"], "resnet50", fp32, 256) == pytest.approx(938, rel=0.01)


def test_compiling_recording_and_larger_batches_do_not_slow_a_device_down() -> None:
    kind = KINDS["h100"]
    compiled = replace(EAGER, is_compiled=True)
    rates = [_rate(kind, "resnet50", EAGER, batch) for batch in (1, 2, 4, 8, 16, 32, 64, 128, 256)]

    assert rates == sorted(rates)
    assert _rate(kind, "resnet50", compiled, 64) > rates[6]
    assert _rate(kind, "resnet20", replace(compiled, is_recorded=True), 8) > _rate(
        kind, "resnet20", compiled, 8
    )


def test_images_that_grow_cost_what_their_sizes_cost_for_their_share_of_the_run() -> None:
    def seconds(*sizes: tuple[int, int, float]) -> float:
        how = replace(EAGER, sizes=sizes)
        return _machine(how).shard_seconds(64)

    small, large = seconds((160, 160, 1.0)), seconds((192, 192, 1.0))
    assert seconds((160, 160, 0.75), (192, 192, 0.25)) == pytest.approx(0.75 * small + 0.25 * large)


def _machine(how: Execution) -> Machine:
    return machine_of(KINDS["a100"], model_spec("resnet50"), how, assumptions_of(KINDS["a100"], how))


def test_a_measured_rate_is_met_at_its_batch_and_scales_all_computing() -> None:
    machine = _machine(EAGER)

    met, factor = meeting(machine, 1000.0, 64)

    assert 64 / (met.shard_seconds(64) + met.update_seconds) == pytest.approx(1000)
    assert met.shard_seconds(8) == pytest.approx(factor * machine.shard_seconds(8))
    assert met.score_seconds == pytest.approx(factor * machine.score_seconds)


def test_a_precision_that_a_device_lacks_is_refused() -> None:
    with pytest.raises(UsageError, match="V100 SXM2, 16 GB has no bf16") as caught:
        assumptions_of(KINDS["v100"], replace(EAGER, precision="bf16"))
    assert "precision=fp16" in caught.value.hint
