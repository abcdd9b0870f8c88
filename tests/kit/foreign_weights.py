"""The foreign namings written down a second time, layer by layer, as reference section 6 gives them.

Knows nothing of resnetlab.weights: each table is pairs of their layer and ours.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from resnetlab import create_model
from resnetlab.models import ResNet

Pairs = Iterator[tuple[str, str]]
BLOCKS = (2, 1, 3, 1)
SMALL: dict[str, object] = {"blocks": BLOCKS, "width": 0.125}
TENSORFLOW = {
    "weight": "kernel",
    "bias": "bias",
    "gamma": "gamma",
    "beta": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}
SLIM = TENSORFLOW | {"weight": "weights", "bias": "biases"}
RESEARCH = TENSORFLOW | {"weight": "DW", "bias": "biases"}


def keras_v1(blocks: tuple[int, ...]) -> Pairs:
    yield from (("conv1_conv", "conv1"), ("conv1_bn", "bn1"), ("predictions", "fc"))
    for stage, count in enumerate(blocks, 1):
        for unit in range(count):
            theirs, ours = f"conv{stage + 1}_block{unit + 1}", f"layer{stage}.{unit}"
            if unit == 0:
                yield from (
                    (f"{theirs}_0_conv", f"{ours}.downsample.0"),
                    (f"{theirs}_0_bn", f"{ours}.downsample.1"),
                )
            for i in (1, 2, 3):
                yield from ((f"{theirs}_{i}_conv", f"{ours}.conv{i}"), (f"{theirs}_{i}_bn", f"{ours}.bn{i}"))


def keras_old(blocks: tuple[int, ...]) -> Pairs:
    yield from (("conv1", "conv1"), ("bn_conv1", "bn1"), ("fc1000", "fc"))
    for stage, count in enumerate(blocks, 1):
        for unit in range(count):
            tag, ours = f"{stage + 1}{'abcdef'[unit]}", f"layer{stage}.{unit}"
            if unit == 0:
                yield from (
                    (f"res{tag}_branch1", f"{ours}.downsample.0"),
                    (f"bn{tag}_branch1", f"{ours}.downsample.1"),
                )
            for i, letter in enumerate("abc", 1):
                yield from (
                    (f"res{tag}_branch2{letter}", f"{ours}.conv{i}"),
                    (f"bn{tag}_branch2{letter}", f"{ours}.bn{i}"),
                )


def keras_v2(blocks: tuple[int, ...]) -> Pairs:
    yield from (("conv1_conv", "stem.conv"), ("post_bn", "norm"), ("predictions", "head.fc"))
    for stage, count in enumerate(blocks):
        for unit in range(count):
            theirs, ours = f"conv{stage + 2}_block{unit + 1}", f"stages.{stage}.blocks.{unit}"
            if unit == 0:
                yield f"{theirs}_0_conv", f"{ours}.downsample.conv"
            yield f"{theirs}_preact_bn", f"{ours}.norm1"
            for i in (1, 2, 3):
                yield f"{theirs}_{i}_conv", f"{ours}.conv{i}"
            for i in (1, 2):
                yield f"{theirs}_{i}_bn", f"{ours}.norm{i + 1}"


def official_50_v1() -> Pairs:
    """Reference section 6.1: the BN index equals the conv index."""

    def at(index: int, conv: str, norm: str) -> Pairs:
        tail = f"_{index}" if index else ""
        yield from ((f"conv2d{tail}", conv), (f"batch_normalization{tail}", norm))

    yield from at(0, "conv1", "bn1")
    for stage, (first, count) in enumerate(((1, 3), (11, 4), (24, 6), (43, 3)), 1):
        yield from at(first, f"layer{stage}.0.downsample.0", f"layer{stage}.0.downsample.1")
        for unit in range(count):
            for i in (1, 2, 3):
                name = f"layer{stage}.{unit}"
                yield from at(first + 3 * unit + i, f"{name}.conv{i}", f"{name}.bn{i}")
    yield "dense", "fc"


def official_50_v2() -> Pairs:
    """Conv indices as in version 1; BN indices 3g + 0, 1, 2 for the g-th unit of all, the last 48."""
    yield "conv2d", "stem.conv"
    unit_of_all = 0
    for stage, (first, count) in enumerate(((1, 3), (11, 4), (24, 6), (43, 3))):
        yield f"conv2d_{first}", f"stages.{stage}.blocks.0.downsample.conv"
        for unit in range(count):
            for i in (1, 2, 3):
                name = f"stages.{stage}.blocks.{unit}"
                index = 3 * unit_of_all + i - 1
                yield f"conv2d_{first + 3 * unit + i}", f"{name}.conv{i}"
                yield f"batch_normalization{f'_{index}' if index else ''}", f"{name}.norm{i}"
            unit_of_all += 1
    yield from (("batch_normalization_48", "norm"), ("dense", "head.fc"))


def official_cifar_8_v1() -> Pairs:
    """One unit a stage: projection, first, second convolution, each with its BN."""
    for index, ours in enumerate(
        ["conv1"]
        + [f"layer{stage}.0.{conv}" for stage in (1, 2, 3) for conv in ("downsample.0", "conv1", "conv2")]
    ):
        tail = f"_{index}" if index else ""
        norm = ours.replace("downsample.0", "downsample.1").replace("conv1", "bn1").replace("conv2", "bn2")
        yield from ((f"conv2d{tail}", ours), (f"batch_normalization{tail}", norm))
    yield "dense", "fc"


def official_cifar_8_v2() -> Pairs:
    convs = ["stem.conv"]
    norms = []
    for stage in (0, 1, 2):
        unit = f"stages.{stage}.blocks.0"
        convs += [f"{unit}.downsample.conv", f"{unit}.conv1", f"{unit}.conv2"]
        norms += [f"{unit}.norm1", f"{unit}.norm2"]
    for kind, names in (("conv2d", convs), ("batch_normalization", [*norms, "norm"])):
        yield from ((f"{kind}_{i}" if i else kind, name) for i, name in enumerate(names))
    yield "dense", "head.fc"


def chaoji_tf1() -> Pairs:
    yield from (("init_conv", "stem.conv"), ("postnorm", "norm"), ("logits", "head.fc"))
    for stage in (0, 1, 2):
        for unit in (0, 1, 2):
            theirs = f"block{stage + 1}/unit_{unit + 1}/unit_fn_v2"
            parts = (
                ("preact", "norm1"),
                ("conv1", "conv1"),
                ("conv1/BatchNorm", "norm2"),
                ("conv2", "conv2"),
            )
            yield from ((f"{theirs}/{a}", f"stages.{stage}.blocks.{unit}.{b}") for a, b in parts)


def chaoji_tf2() -> Pairs:
    yield from (("_init_conv", "stem.conv"), ("_final_bn", "norm"), ("_final_conv", "head.fc"))
    for stage in (0, 1, 2):
        for unit in (0, 1, 2):
            theirs = f"_block{stage + 1}/layer_with_weights-{unit}"
            parts = (("_bn1", "norm1"), ("_conv1", "conv1"), ("_bn2", "norm2"), ("_conv2", "conv2"))
            yield from ((f"{theirs}/{a}", f"stages.{stage}.blocks.{unit}.{b}") for a, b in parts)


def research_basic() -> Pairs:
    yield from (("init/init_conv", "stem.conv"), ("unit_last/final_bn", "norm"), ("logit", "head.fc"))
    for stage in (0, 1, 2):
        theirs, ours = f"unit_{stage + 1}_0", f"stages.{stage}.blocks.0"
        shared = "residual_only_activation" if stage else "shared_activation"
        yield from (
            (f"{theirs}/{shared}/init_bn", f"{ours}.norm1"),
            (f"{theirs}/sub1/conv1", f"{ours}.conv1"),
        )
        yield from ((f"{theirs}/sub2/bn2", f"{ours}.norm2"), (f"{theirs}/sub2/conv2", f"{ours}.conv2"))


def research_bottleneck() -> Pairs:
    yield from (("init/init_conv", "stem.conv"), ("unit_last/final_bn", "norm"), ("logit", "head.fc"))
    for stage in (0, 1, 2):
        theirs, ours = f"unit_{stage + 1}_0", f"stages.{stage}.blocks.0"
        shared = "residual_bn_relu" if stage else "common_bn_relu"
        yield from (
            (f"{theirs}/{shared}/init_bn", f"{ours}.norm1"),
            (f"{theirs}/sub1/conv1", f"{ours}.conv1"),
        )
        for i in (2, 3):
            yield from (
                (f"{theirs}/sub{i}/bn{i}", f"{ours}.norm{i}"),
                (f"{theirs}/sub{i}/conv{i}", f"{ours}.conv{i}"),
            )
        yield f"{theirs}/sub_add/project", f"{ours}.downsample.conv"


def transformers(name: str) -> str:
    """Return what Hugging Face's transformers calls one of torchvision's tensors."""
    part, *rest = name.split(".")
    kind = {"conv": "convolution", "bn": "normalization"}
    if part in ("conv1", "bn1"):
        return f"resnet.embedder.embedder.{kind[part[:-1]]}.{rest[0]}"
    if part == "fc":
        return f"classifier.1.{rest[0]}"
    at = f"resnet.encoder.stages.{int(part[5:]) - 1}.layers.{rest[0]}"
    if rest[1] == "downsample":
        return f"{at}.shortcut.{['convolution', 'normalization'][int(rest[2])]}.{rest[3]}"
    return f"{at}.layer.{int(rest[1][-1]) - 1}.{kind[rest[1][:-1]]}.{rest[2]}"


def open_lth(name: str, units: int) -> str:
    """Return what open_lth calls one of torchvision's tensors, of a network with so many units a stage."""
    part, *rest = name.split(".")
    if part in ("conv1", "bn1"):
        return f"{part[:-1]}.{rest[0]}"
    if part == "fc":
        return name
    number = (int(part[5:]) - 1) * units + int(rest[0])
    return f"blocks.{number}." + ".".join("shortcut" if each == "downsample" else each for each in rest[1:])


def weiaicunzai(name: str) -> str:
    """Return what weiaicunzai's pytorch-cifar100 calls one of torchvision's tensors."""
    part, *rest = name.split(".")
    if part in ("conv1", "bn1"):
        return f"conv1.{0 if part == 'conv1' else 1}.{rest[0]}"
    if part == "fc":
        return name
    unit = f"conv{int(part[5:]) + 1}_x.{rest[0]}"
    if rest[1] == "downsample":
        return f"{unit}.shortcut.{rest[2]}.{rest[3]}"
    number = ("conv1", "bn1", "relu1", "conv2", "bn2", "relu2", "conv3", "bn3").index(rest[1])
    return f"{unit}.residual_function.{number}.{rest[2]}"


def sequential(name: str) -> str:
    """Return the name in nn.Sequential(*resnet.children())."""
    numbers = {"conv1": 0, "bn1": 1, "layer1": 4, "layer2": 5, "layer3": 6, "layer4": 7, "fc": 9}
    part, _, rest = name.partition(".")
    return f"{numbers[part]}.{rest}"


def keras_example(units: int, version: int, start: int) -> Pairs:
    """cifar10_resnet.py, read again: every convolution and BN in the order in which it is made."""
    count = {"conv2d": start, "batch_normalization": start, "dense": start}

    def make(kind: str, ours: str) -> tuple[str, str]:
        number, count[kind] = count[kind], count[kind] + 1
        return (f"{kind}_{number}" if number else kind), ours

    is_first = version == 1
    yield make("conv2d", "conv1" if is_first else "stem.conv")
    yield make("batch_normalization", "bn1" if is_first else "stem.norm")
    for stage in range(3):
        for unit in range(units):
            at = f"layer{stage + 1}.{unit}" if is_first else f"stages.{stage}.blocks.{unit}"
            if is_first:
                for i in (1, 2):
                    yield make("conv2d", f"{at}.conv{i}")
                    yield make("batch_normalization", f"{at}.bn{i}")
                if stage and not unit:
                    yield make("conv2d", f"{at}.downsample.0")
                continue
            for i in (1, 2, 3):
                if stage or unit or i > 1:
                    yield make("batch_normalization", f"{at}.norm{i}")
                yield make("conv2d", f"{at}.conv{i}")
            if not unit:
                yield make("conv2d", f"{at}.downsample.conv")
    if not is_first:
        yield make("batch_normalization", "norm")
    yield make("dense", "fc" if is_first else "head.fc")


def keras_example_in_layer_order(units: int, version: int) -> Pairs:
    """The layers with weights of cifar10_resnet.py as `model.layers` of Keras 3.15 gives them."""
    is_first = version == 1
    yield from (("", name) for name in (("conv1", "bn1") if is_first else ("stem.conv", "stem.norm")))
    for stage in range(3):
        for unit in range(units):
            at = f"layer{stage + 1}.{unit}" if is_first else f"stages.{stage}.blocks.{unit}"
            if is_first:
                parts = ["conv1", "bn1", "conv2", "downsample.0", "bn2"]
                has_projection = stage > 0 and unit == 0
            else:
                parts = ["norm1", "conv1", "norm2", "conv2", "norm3", "downsample.conv", "conv3"]
                parts = parts[1:] if stage == unit == 0 else parts
                has_projection = unit == 0
            yield from (("", f"{at}.{part}") for part in parts if has_projection or "down" not in part)
    yield from (("", name) for name in (("fc",) if is_first else ("norm", "head.fc")))


def by_number(pairs: Pairs) -> Pairs:
    """The same layers as a checkpoint of Keras' objects calls them."""
    yield from ((f"layer_with_weights-{number}", ours) for number, (_, ours) in enumerate(pairs))


def lively(name: str, **knobs: Any) -> ResNet:
    """A network in evaluation mode, all of whose numbers show."""
    model = create_model(name, seed=3, **knobs).eval()
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for key, tensor in model.state_dict().items():
            if key.endswith("running_var"):
                tensor.uniform_(0.5, 1.5, generator=generator)
            elif tensor.dim() == 1:
                tensor.add_(torch.randn(tensor.shape, generator=generator) * 0.2)
    return model


def to_tensorflow(
    state: Mapping[str, Tensor], pairs: Pairs, leaves: Mapping[str, str], prefix: str = "", suffix: str = ""
) -> dict[str, Tensor]:
    """Return the state under their names, kernels (h, w, in, out), matrices (in, out)."""
    named = {}
    for theirs, ours in pairs:
        is_norm = f"{ours}.running_mean" in state
        for leaf in ("weight", "bias", "running_mean", "running_var"):
            tensor = state.get(f"{ours}.{leaf}")
            if tensor is None:
                continue
            word = {"weight": "gamma", "bias": "beta"}.get(leaf, leaf) if is_norm else leaf
            if tensor.dim() > 1:
                tensor = tensor.permute(2, 3, 1, 0) if tensor.dim() == 4 else tensor.T
            named[f"{prefix}{theirs}/{leaves[word]}{suffix}"] = tensor.contiguous()
    return named
