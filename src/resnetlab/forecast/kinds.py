"""Kinds of devices and the hosts that they stand in, as plain data with a source for each number. No torch.

Rates are peaks without sparsity, in TFLOP/s; bandwidths in GB/s, of links and networks in one direction;
memory in GiB, which is what the cards' GB are.
"""

from dataclasses import dataclass

from resnetlab.errors import UsageError, nearest


@dataclass(frozen=True)
class Published:
    """A published rate of training ResNet-50 at 224 pixels, of another program."""

    images_per_second: float
    """Of all devices together."""
    devices: int
    precision: str
    source: str


@dataclass(frozen=True, kw_only=True)
class DeviceKind:
    """A device, the host that it is commonly found in, and where that is written."""

    name: str
    title: str
    half: float
    """Peak in fp16, and in bf16 if it has that, accumulated in fp32."""
    fp32: float
    """Peak in what fp32 stands for on it: TF32, or fp32 itself."""
    has_tf32: bool = True
    """Whether it has TF32 and bf16."""
    memory_rate: float
    memory: float
    """In GiB."""
    card: str
    """Source of the above."""
    devices_per_host: int
    cores: int
    network: float
    host: str
    """Source of these three."""
    link: float
    """That an all-reduce within the host reaches, as nccl-tests count it (bus bandwidth)."""
    link_source: str
    published: tuple[Published, ...] = ()


_MLPERF = "NVIDIA's MLPerf 3.0 logs (mlcommons/training_results_v3.0; MXNet, DALI, fused kernels)"
_EXAMPLES = "NVIDIA/DeepLearningExamples, ResNet50 v1.5 for PyTorch, 21.03 container, 256 images a device"
_DGX_H = "stated: NVIDIA DGX H100/H200 (two Xeon 8480C, eight ConnectX-7 of 400 Gb/s; DGX BasePOD reference)"
_HOPPER_LINK = "published: NCCL's ring on eight H100 with NVLink (NVIDIA/nccl-tests#212); the line has 450"
_ASSUMED_HOST = "guessed: hosts of this card differ"

KINDS = {
    kind.name: kind
    for kind in (
        DeviceKind(
            name="h100",
            title="NVIDIA H100 SXM5, 80 GB",
            half=989.4, fp32=494.7, memory_rate=3350, memory=80,
            card="stated: NVIDIA H100 datasheet, SXM, half of the rates with sparsity",
            devices_per_host=8, cores=112, network=400, host=_DGX_H,
            link=370, link_source=_HOPPER_LINK,
            published=(
                Published(56_070, 8, "fp16", f"{_MLPERF}, one DGX H100"),
                Published(294_600, 64, "fp16", f"{_MLPERF}, 8 DGX H100"),
            ),
        ),
        DeviceKind(
            name="h100-pcie",
            title="NVIDIA H100 PCIe, 80 GB",
            half=756, fp32=378, memory_rate=2000, memory=80,
            card="stated: NVIDIA H100 datasheet, PCIe, half of the rates with sparsity",
            devices_per_host=8, cores=64, network=50, host=_ASSUMED_HOST,
            link=45,
            link_source="guessed: 0.7 of PCIe 5.0 x16, which has 64; pairs joined by NVLink are faster",
        ),
        DeviceKind(
            name="h200",
            title="NVIDIA H200 SXM5, 141 GB",
            half=989.4, fp32=494.7, memory_rate=4800, memory=141,
            card="stated: NVIDIA H200 datasheet, SXM, half of the rates with sparsity",
            devices_per_host=8, cores=112, network=400, host=_DGX_H,
            link=370, link_source=_HOPPER_LINK,
        ),
        DeviceKind(
            name="a100",
            title="NVIDIA A100 SXM4, 80 GB",
            half=312, fp32=156, memory_rate=2039, memory=80,
            card="stated: NVIDIA A100 80 GB datasheet, SXM",
            devices_per_host=8, cores=128, network=200,
            host="stated: NVIDIA DGX A100 (two EPYC 7742, eight ports of 200 Gb/s)",
            link=208, link_source="published: eight A100 with NVLink (NVIDIA/nccl-tests#149, #178)",
            published=(
                Published(2470, 1, "fp16", _EXAMPLES),
                Published(938, 1, "fp32", _EXAMPLES),
                Published(16_621, 8, "fp16", _EXAMPLES),
                Published(7248, 8, "fp32", _EXAMPLES),
            ),
        ),
        DeviceKind(
            name="v100",
            title="NVIDIA V100 SXM2, 16 GB",
            half=125, fp32=15.7, has_tf32=False, memory_rate=900, memory=16,
            card="stated: NVIDIA V100 datasheet, SXM2",
            devices_per_host=8, cores=40, network=50,
            host="stated: NVIDIA DGX-1 (two Xeon E5-2698 v4, four ports of 100 Gb/s)",
            link=120, link_source="guessed: 0.8 of six NVLinks of 25 GB/s",
            published=(
                Published(1200, 1, "fp16", _EXAMPLES),
                Published(367, 1, "fp32", _EXAMPLES),
                Published(8322, 8, "fp16", _EXAMPLES),
                Published(2855, 8, "fp32", _EXAMPLES),
            ),
        ),
        DeviceKind(
            name="l4",
            title="NVIDIA L4, 24 GB",
            half=121, fp32=60, memory_rate=300, memory=24,
            card="stated: NVIDIA L4 datasheet, half of the rates with sparsity; 72 W may not reach them",
            devices_per_host=8, cores=48, network=12.5,
            host="stated: Google Cloud g2-standard-96 (96 threads, 100 Gb/s)",
            link=13, link_source="guessed: 0.4 of PCIe 4.0 x16, which has 32, through the host's memory",
        ),
        DeviceKind(
            name="rtx4090",
            title="NVIDIA GeForce RTX 4090, 24 GB",
            half=165.2, fp32=82.6, memory_rate=1008, memory=24,
            card="stated: NVIDIA Ada architecture whitepaper, accumulated in fp32",
            devices_per_host=4, cores=32, network=1.25, host=_ASSUMED_HOST,
            link=13, link_source="guessed: 0.4 of PCIe 4.0 x16, which has 32, through the host's memory",
        ),
    )
}  # fmt: skip
"""By the names that `--device-kind` takes."""

THIS = "this"
"""The name of the machine that the command runs on, which is measured."""


def find_kind(name: str) -> DeviceKind:
    """Return the kind of that name.

    Raises:
        UsageError: If there is none.
    """
    if name in KINDS:
        return KINDS[name]
    names = (*KINDS, THIS)
    raise UsageError(
        f"--device-kind {name}: not known", hint=nearest(name, names) or f"Known are {', '.join(names)}."
    )
