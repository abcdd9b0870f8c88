"""A kind of device as a machine to forecast with: peaks times the shares of them that were reached. No torch.

How far the shares hold: with them the forecast in half precision is within 15 % of what NVIDIA published of
ResNet-50 on V100 and A100, and timm of ResNet-18 to -152 on an RTX 3090. In fp32 they fit one figure each.
resnetlab itself was not run on any of these devices.
"""

from dataclasses import dataclass, replace

from resnetlab.errors import UsageError
from resnetlab.forecast.assumptions import Assumption, Assumptions
from resnetlab.forecast.forecast import Machine
from resnetlab.forecast.kinds import DeviceKind
from resnetlab.forecast.reduction import Fabric
from resnetlab.forecast.work import Kernel, Processor, evaluation_kernels, training_kernels, update_kernel
from resnetlab.network.spec import ModelSpec

_FITTED = "fitted to published rates of V100 and A100 (NVIDIA), RTX 3090 (timm)"
_MEASURED = "measured (docs/results.md, 2026-11-22): one core of an EPYC, JPEGs of 500x375"


@dataclass(frozen=True, kw_only=True)
class Execution:
    """How the steps of a run are carried out."""

    precision: str
    is_compiled: bool
    is_recorded: bool
    is_exact: bool
    """Whether gradients are added in the fixed tree."""
    numbers_per_weight: int
    """That the optimizer holds, gradient and weight with them."""
    sizes: tuple[tuple[int, int, float], ...]
    """Height and width of the training images, and the share of the run that they are so large."""
    scored_size: tuple[int, int]


def assumptions_of(kind: DeviceKind, how: Execution) -> Assumptions:
    """Return all numbers that the forecast for a kind of device stands on.

    Raises:
        UsageError: If the device cannot calculate in this precision.
    """
    if how.precision == "bf16" and not kind.has_tf32:
        raise UsageError(f"{kind.title} has no bf16", hint="--set precision=fp16")
    return Assumptions([*_of_the_card(kind, how), *_of_the_host(kind), *_of_the_fabric(kind), *LOADING])


def _of_the_card(kind: DeviceKind, how: Execution) -> list[Assumption]:
    fp32 = "TF32" if kind.has_tf32 else "fp32"
    found = []
    if how.precision != "fp32":
        found = [
            Assumption("half", kind.half, "TFLOP/s", f"{kind.card}; dense, in {how.precision}"),
            Assumption("half_share", 0.9, "", f"{_FITTED}: what convolutions reach of that"),
        ]
    share, of = (0.27, "A100") if kind.has_tf32 else (0.95, "V100")
    launch = 0.0 if how.is_recorded else 5.0 if how.is_compiled else 10.0
    started = (
        "recorded steps ask nothing of the host" if how.is_recorded else "the host's time to start a kernel"
    )
    return [
        *found,
        Assumption("fp32", kind.fp32, "TFLOP/s", f"{kind.card}; {fp32}, in which every score is computed"),
        Assumption(
            "fp32_share", share, "", f"fitted to {of}'s published rate: what convolutions reach of that"
        ),
        Assumption("memory_rate", kind.memory_rate, "GB/s", kind.card),
        Assumption("memory_share", 0.7, "", f"{_FITTED}: what is reached of that"),
        Assumption("memory", kind.memory, "GiB", kind.card),
        Assumption("kernel", 3.0, "us", "guessed: what the smallest kernel takes"),
        Assumption("launch", launch, "us", f"guessed: {started}" if launch else f"stated: {started}"),
    ]


def _of_the_host(kind: DeviceKind) -> list[Assumption]:
    return [
        Assumption("devices_per_host", kind.devices_per_host, "devices", kind.host),
        Assumption("host_cores", kind.cores, "cores", kind.host),
    ]


def _of_the_fabric(kind: DeviceKind) -> list[Assumption]:
    return [
        Assumption("link", kind.link, "GB/s", kind.link_source),
        Assumption("network", kind.network, "GB/s", f"{kind.host}; of a host, in one direction"),
        Assumption("network_share", 0.94, "", "published: 46 to 48 of an adapter's 50 (nccl-tests#290)"),
        Assumption("begin", 14, "us", "published: an empty all-reduce on 32 hosts (NVIDIA/nccl#652)"),
        Assumption("near", 2, "us", "guessed: a round of a reduction within a host"),
        Assumption(
            "far", 5, "us",
            "fitted to 63 us of 8 bytes on 32 hosts (NVIDIA/nccl#652; #1469 has 62 on 16): a round of one",
        ),
        Assumption(
            "filling", 120, "us",
            "fitted to 150 GB/s of 64 MiB on 16 hosts of 8 H100 (NVIDIA/nccl#1469): lost by each doubling",
        ),
    ]  # fmt: skip


LOADING = (
    Assumption("decode", 320.8, "images/s", f"{_MEASURED}; at the shorter side of 256 (`data pack`) 555.6"),
    Assumption("write", 1, "GB/s", "guessed: what a checkpoint is written at"),
)


def machine_of(kind: DeviceKind, spec: ModelSpec, how: Execution, assumed: Assumptions) -> Machine:
    """Return the machine that such devices make for a network."""
    fp32 = assumed["fp32"] * assumed["fp32_share"]
    is_half = how.precision != "fp32"
    trains = _processor(
        assumed, assumed["half"] * assumed["half_share"] if is_half else fp32, 2 if is_half else 4
    )
    scores = _processor(assumed, fp32, 4)
    kernels = [
        (training_kernels(spec, height, width, is_compiled=how.is_compiled), share)
        for height, width, share in how.sizes
    ]
    update = (update_kernel(spec.num_parameters, how.numbers_per_weight),)
    scoring = evaluation_kernels(spec, *how.scored_size)
    return Machine(
        title=kind.title,
        shard_seconds=lambda samples: sum(share * trains.seconds(each, samples) for each, share in kernels),
        update_seconds=trains.seconds(update, 0),
        score_seconds=_per_image(scores, scoring),
        fabric=fabric_of(assumed),
        is_exact=how.is_exact,
        memory=assumed["memory"],
        cores=round(assumed["host_cores"]),
        decode=assumed["decode"],
        write=assumed["write"],
    )


def fabric_of(assumed: Assumptions) -> Fabric:
    """Return what connects the devices."""
    return Fabric(
        devices_per_host=round(assumed["devices_per_host"]),
        link=assumed["link"],
        network=assumed["network"] * assumed["network_share"],
        begin=assumed["begin"],
        near=assumed["near"],
        far=assumed["far"],
        filling=assumed["filling"],
    )


_MANY = 256


def _per_image(processor: Processor, kernels: tuple[Kernel, ...]) -> float:
    return processor.seconds(kernels, _MANY) / _MANY


def _processor(assumed: Assumptions, operations: float, number_bytes: int) -> Processor:
    return Processor(
        operations=operations,
        bytes=assumed["memory_rate"] * assumed["memory_share"],
        number_bytes=number_bytes,
        kernel=assumed["kernel"],
        launch=assumed["launch"],
    )


def meeting(machine: Machine, rate: float, samples: int) -> tuple[Machine, float]:
    """Return the machine as fast as was measured at so many samples a step, and the factor of its times."""
    factor = samples / rate / (machine.shard_seconds(samples) + machine.update_seconds)
    before = machine.shard_seconds
    faster = replace(
        machine,
        shard_seconds=lambda count: factor * before(count),
        update_seconds=factor * machine.update_seconds,
        score_seconds=factor * machine.score_seconds,
    )
    return faster, factor
