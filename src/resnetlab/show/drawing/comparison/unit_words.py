"""The unit figure's captions: which units, where the stride sits, what the shortcut is and reads."""

from resnetlab.network.layers import Conv, Dropout, Layer, PadChannels, Pool, Scale
from resnetlab.network.plan import Repeat, Unit
from resnetlab.show.drawing.figure_parts import shortcut_kind


def units_words(stage: int, repeat: Repeat) -> str:
    """Return "stage 2, unit 1 (layer2.0)", or "stage 2, units 2-18 (layer2.1 to 17)"."""
    first = int(repeat.unit.name.rpartition(".")[2])
    last = first + repeat.count - 1
    if repeat.count == 1:
        return f"stage {stage}, unit {first + 1} ({repeat.unit.name})"
    return f"stage {stage}, units {first + 1}-{last + 1} ({repeat.unit.name} to {last})"


def stride_words(unit: Unit) -> str:
    """Return "stride 2 on the first 3×3", or nothing where the map keeps its size."""
    convs = [layer for layer in unit.branch if isinstance(layer, Conv)]
    for index, conv in enumerate(convs):
        if conv.stride > 1:
            kernel = f"{conv.kernel}×{conv.kernel}"
            is_only = sum(other.kernel == conv.kernel for other in convs) == 1
            place = kernel if is_only else f"{'first' if index == 0 else 'last'} {kernel}"
            return f"stride {conv.stride} on the {place}"
    return ""


def shortcut_words(unit: Unit) -> str:
    """Return what the shortcut is, and from where it leaves."""
    if unit.shortcut is None:
        return "no shortcut"
    match shortcut_kind(unit.shortcut):
        case "identity":
            what = "identity shortcut"
        case "projection":
            what = "projection shortcut"
        case "gated":
            what = "gated shortcut"
        case _:
            what = f"shortcut of {' and '.join(map(_step, unit.shortcut))}"
    start = "the pre-activation" if unit.shortcut_from == "preact" else "the unit's input"
    return f"{what}, from {start}"


def _step(layer: Layer) -> str:
    match layer:
        case Pool(kind="subsample"):
            return f"every {ordinal(layer.stride)} pixel"
        case Pool():
            return f"{layer.kind} pooling"
        case PadChannels():
            return f"{layer.before + layer.after} zero channels"
        case Scale():
            return f"a factor of {layer.factor:g}"
        case Dropout():
            return f"a dropout of {layer.rate:g}"
        case _:
            raise AssertionError(f"{layer.name}: not a step of a shortcut without weights")


def ordinal(number: int) -> str:
    """Return "2nd", of a number from 2 on."""
    return {2: "2nd", 3: "3rd"}.get(number, f"{number}th")
