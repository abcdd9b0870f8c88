"""What the papers' figures must say of a network, restated from the specification's fields alone.

Knows nothing of plans and layers.
"""

from resnetlab.network.spec import ModelSpec


def stage_name(spec: ModelSpec, stage: int) -> str:
    return f"stages.{stage}.blocks" if spec.order == "pre" else f"layer{stage + 1}"


def stage_input(spec: ModelSpec, stage: int) -> int:
    return (spec.stem_width, *spec.out_channels)[stage]


def map_sizes(spec: ModelSpec) -> list[int]:
    """The maps' height after the stem and after each stage; all named networks halve even sizes."""
    sizes = [spec.input_size // (4 if spec.stem == "imagenet" else 1)]
    for stride in spec.strides:
        sizes.append(sizes[-1] // stride)
    return sizes


def conv_texts(spec: ModelSpec, stage: int, *, is_first: bool) -> list[str]:
    """The branch's convolutions from top to bottom, as He et al., 2015, Fig. 3 writes them."""
    inner, outer = spec.widths[stage], spec.out_channels[stage]
    texts = [f"3×3 conv, {inner}", f"3×3 conv, {outer}"]
    if spec.unit == "bottleneck":
        texts = [f"1×1 conv, {inner}", f"3×3 conv, {inner}", f"1×1 conv, {outer}"]
    if is_first and spec.strides[stage] > 1:
        texts[strided_index(spec)] += f", /{spec.strides[stage]}"
    return texts


def strided_index(spec: ModelSpec) -> int:
    """Which convolution of the branch strides."""
    return 1 if spec.unit == "bottleneck" and spec.stride_on == "3x3" else 0


def shortcut_texts(spec: ModelSpec, stage: int, *, is_first: bool) -> list[str]:
    """The shortcut's operations; none for an identity and for a plain network."""
    ends = {
        f"× {spec.shortcut_scale}": spec.shortcut_scale != 1,
        "× (1 - g), F × g": spec.shortcut_gate == "exclusive",
        "× (1 - g)": spec.shortcut_gate == "shortcut-only",
        f"dropout {spec.shortcut_dropout}": spec.shortcut_dropout > 0,
    }
    return option_texts(spec, stage, is_first=is_first) + [
        text for text, is_there in ends.items() if is_there
    ]


def branch_end(spec: ModelSpec) -> list[str]:
    """What follows the branch's last layer."""
    return [f"× {spec.branch_scale}"] if spec.branch_scale != 1 else []


def option_texts(spec: ModelSpec, stage: int, *, is_first: bool) -> list[str]:
    """What the shortcut is but for a factor, a gate or dropout at its end."""
    stride = spec.strides[stage] if is_first else 1
    outer = spec.out_channels[stage]
    inputs = stage_input(spec, stage) if is_first else outer
    changes = stride > 1 or inputs != outer
    slash = f", /{stride}" if stride > 1 else ""
    is_projection = {"B": changes, "C": True, "stage": is_first}.get(spec.shortcut, False)
    if is_projection:
        return [f"1×1 conv, {outer}{slash}"]
    if not spec.shortcut.startswith("A"):
        return []
    texts = [f"{'subsample' if spec.shortcut == 'A' else 'avg pool'}{slash}"] if stride > 1 else []
    extra = outer - inputs
    return texts + ([f"pad {extra // 2}+{extra - extra // 2}"] if extra else [])


def order(spec: ModelSpec) -> tuple[str, str]:
    """The operations before and after the addition, one letter each: weight, BN, ReLU.

    Source: He et al., 2016, arXiv:1603.05027, Fig. 4.
    """
    basic = {
        "post": ("WBRWB", "R"),
        "bn-after-add": ("WBRW", "BR"),
        "relu-before-add": ("WBRWBR", ""),
        "relu-only-pre": ("RWBRWB", ""),
        "pre": ("BRWBRW", ""),
    }[spec.order]
    if spec.unit == "basic":
        return basic
    inserted = "BRW" if spec.order == "pre" else "WBR"
    return basic[0].replace(inserted, inserted * 2, 1), basic[1]


def shape(layout: str, channels: int, size: int) -> str:
    if layout == "NHWC":
        return f"[N, {size}, {size}, {channels}]"
    return f"[N, {channels}, {size}, {size}]"
