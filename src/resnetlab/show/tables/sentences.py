"""For every field of a specification, the sentence that says what a second network has instead."""

from collections.abc import Callable, Sequence
from typing import Any

from resnetlab.base.units import format_rounded
from resnetlab.network.fields import SpecFields

_Sentence = Callable[[Any, Any], str]


def sentence(field: str, old: object, new: object) -> str:
    """Return in plain words what it means that the field is `new` instead of `old`.

    Raises:
        KeyError: If the field has no sentence; a test keeps that from happening.
    """
    return _SENTENCES[field](old, new)


_NOTHING = object()
"""Stands for the value of a network that has nothing which the field rules."""


def lone_sentence(field: str, value: object) -> str:
    """Return in plain words what the field says of a network, beside one of which it says nothing."""
    return _SENTENCES[field](_NOTHING, value)


class _Numbers(dict[Any, str]):
    """Words for some values, and every other as it is."""

    def __missing__(self, key: object) -> str:
        return str(key)


def _words(pattern: str, words: dict[Any, str]) -> _Sentence:
    """Return the pattern, with "{new} instead of {old}" in the words of either value."""
    return lambda old, new: pattern.format(_instead(old, new, words.__getitem__))


def _instead(old: object, new: object, say: Callable[[Any], str]) -> str:
    return say(new) if old is _NOTHING else f"{say(new)} instead of {say(old)}"


def _switch(on: str, off: str) -> _Sentence:
    """Return what holds now of two states."""
    return lambda old, new: on if new else off


def _number(pattern: str) -> _Sentence:
    """Return the pattern, with the two numbers."""
    return lambda old, new: pattern.format(_instead(old, new, _plain))


def _count(what: str) -> _Sentence:
    """Return the source's own count, which not every source gives."""

    def say(old: int | None, new: int | None) -> str:
        if new is None:
            return f"the source does not say how many {what}; the other's says {format_rounded(old or 0)}"
        instead = f"instead of {format_rounded(old)}" if old is not None else "and the other's does not say"
        return f"the source says {format_rounded(new)} {what} {instead}"

    return say


def _stages(one: str, many: str) -> _Sentence:
    """Return which stages differ: `one` names what a stage has one of, `many` what it has more of."""

    def noun(count: int) -> str:
        return one if count == 1 else many

    def say(old: Sequence[int], new: Sequence[int]) -> str:
        if len(old) != len(new):
            return f"{_listed(new)} {many} in {len(new)} stages instead of {_listed(old)} in {len(old)}"
        changed = [stage for stage, (was, now) in enumerate(zip(old, new, strict=True)) if was != now]
        pairs = {(old[stage], new[stage]) for stage in changed}
        if len(pairs) > 1:
            where = "" if len(changed) == len(old) else f" in the stages {_listed([s + 1 for s in changed])}"
            texts = [_listed([values[stage] for stage in changed]) for values in (new, old)]
            return f"{texts[0]} {many}{where} instead of {texts[1]}"
        was, now = pairs.pop()
        return f"{now} {noun(now)} in {_places(changed, len(old))} instead of {was}"

    return say


def _strides(old: Sequence[int], new: Sequence[int]) -> str:
    return f"the stages stride by {_listed(new)} instead of {_listed(old)}"


def _places(stages: Sequence[int], count: int) -> str:
    if len(stages) == count:
        return "every stage" if count > 1 else "the one stage"
    return ("stage " if len(stages) == 1 else "the stages ") + _listed([stage + 1 for stage in stages])


def _listed(items: Sequence[int]) -> str:
    *first, last = map(str, items)
    return f"{', '.join(first)} and {last}" if first else last


def _plain(value: float | None) -> str:
    return (
        "as much as in the others"
        if value is None
        else f"{value:g}"
        if isinstance(value, float)
        else f"{value:,}"
    )


_SENTENCES: dict[str, _Sentence] = {
    "name": lambda old, new: f"it is called {new} instead of {old}",
    "source": lambda old, new: f"it comes from {new} instead of {old}",
    "classes": _number("{} classes"),
    "in_channels": _number("an image has {} channels"),
    "input_size": _number("images are nominally {} px high and wide"),
    "stem": _words(
        "the stem is {}",
        {"small": "a 3x3/1 convolution", "imagenet": "a 7x7/2 convolution and a 3x3/2 max pool"},
    ),
    "stem_width": _number("{} channels after the stem's convolution"),
    "stem_norm": _switch(
        "BN and activation follow the stem's convolution",
        "no BN and activation follow the stem's convolution",
    ),
    "stem_stride": _words(
        "the stem's convolution strides by {}", _Numbers({None: "what the kind of stem says"})
    ),
    "stem_pool": _words(
        "the stem has {}", {None: "the pool of its kind", True: "a 3x3/2 max pool", False: "no max pool"}
    ),
    "max_pool": _words(
        "the stem's max pool pads {}",
        {
            "torch": "1 px on every side",
            "same": "like TensorFlow's SAME",
            "zeros": "1 px on every side with zeros that count",
        },
    ),
    "blocks": _stages("unit", "units"),
    "widths": _stages("inner channel", "inner channels"),
    "out_channels": _stages("output channel", "output channels"),
    "strides": _strides,
    "unit": _words(
        "the units are {}",
        {"basic": "basic (3x3, 3x3)", "bottleneck": "bottlenecks (1x1, 3x3, 1x1)"},
    ),
    "order": _words(
        "{}",
        {
            "post": "post-activation (BN and activation after each convolution, the last after the addition)",
            "pre": "pre-activation (BN and activation before each convolution)",
            "bn-after-add": "BN after the addition (the last BN and activation follow the sum)",
            "relu-before-add": "activation before the addition (nothing follows the sum)",
            "relu-only-pre": "activation-only pre-activation (an activation begins the branch, BN ends it)",
        },
    ),
    "stride_on": _words(
        "the stride sits on {}",
        {"first": "the first 1x1", "3x3": "the 3x3", "last-3x3": "the 3x3 of each stage's last unit"},
    ),
    "shortcut": _words(
        "the shortcut is {}",
        {
            "A": "A (every second pixel, padded with zero channels)",
            "A-avgpool": "A with average pooling (VALID, padded with zero channels)",
            "A-avgpool-same": "A with average pooling (SAME, padded with zero channels)",
            "B": "B (a 1x1 projection where the shape changes)",
            "C": "C (a 1x1 projection in every unit)",
            "stage": "a 1x1 projection in every stage's first unit",
            "none": "missing (a plain network, without any shortcut)",
        },
    ),
    "projection_norm": _switch("BN follows a projection", "no BN follows a projection"),
    "projection_source": _words(
        "a projection reads {}", {"raw": "the unit's input", "preact": "the unit's pre-activation"}
    ),
    "first_shortcut_preact": _switch(
        "the very first unit's shortcut reads the pre-activation instead of the unit's input",
        "the very first unit's shortcut reads the unit's input instead of the pre-activation",
    ),
    "shortcut_scale": _number("shortcuts are multiplied by {}"),
    "branch_scale": _number("branches are multiplied by {}"),
    "shortcut_gate": _words(
        "shortcuts have {}",
        {
            "none": "no gates",
            "exclusive": "exclusive gates (1 - g on the shortcut, g on the branch)",
            "shortcut-only": "gates of their own (1 - g on the shortcut)",
        },
    ),
    "gate_bias": _number("the gates' biases start at {}"),
    "shortcut_dropout": _number("training drops a number of a shortcut with probability {}"),
    "first_unit_bare": _switch(
        "the very first unit has no pre-activation of its own",
        "the very first unit has its own pre-activation",
    ),
    "padding": _words(
        "strided convolutions pad {}",
        {"torch": "kernel // 2 px on every side", "same": "like TensorFlow's SAME"},
    ),
    "act_slope": lambda old, new: f"the activation is {_activation(new)} instead of {_activation(old)}",
    "conv_bias": _switch("convolutions have a bias", "convolutions have no bias"),
    "bn_eps": _number("BN's constant under the root is {}"),
    "bn_momentum": _number("a new batch weighs {} in BN's running statistics"),
    "bn_biased_variance": _switch(
        "BN's running variance averages the batches' biased variances instead of the unbiased ones",
        "BN's running variance averages the batches' unbiased variances instead of the biased ones",
    ),
    "preact_gamma": _switch(
        "the BN before the split and the final one have a gamma",
        "the BN before the split and the final one have no gamma",
    ),
    "preact_momentum": _number("a new batch weighs {} in the BN before the split and the final one"),
    "conv_init": _words(
        "convolutions start {}",
        {
            "he_fan_out": "normal with variance 2 / fan-out",
            "he_fan_in": "normal with variance 2 / fan-in",
            "he_truncated": "truncated normal with variance 2 / fan-in",
            "glorot_uniform": "uniform with variance 2 / (fan-in + fan-out)",
            "lecun_truncated": "truncated normal with variance 1 / fan-in",
        },
    ),
    "fc_init": _words(
        "the classifier starts {}",
        {
            "torch_default": "uniform with variance 1 / (3 fan-in), bias included",
            "unit_scaling": "uniform with variance 1 / fan-in",
            "glorot_uniform": "uniform with variance 2 / (fan-in + fan-out)",
            "he_truncated": "truncated normal with variance 2 / fan-in",
        },
    ),
    "zero_init_residual": _switch("every branch starts as zero", "no branch starts as zero"),
    "stochastic_depth": _number("training drops the last unit's branch with probability {}"),
    "published_parameters": _count("parameters"),
    "published_multiply_adds": _count("multiply-adds"),
}


def shortcut_text(spec: SpecFields) -> str:
    """Return the shortcuts' option and what is done to what they give: "A, x 0.5, branches x 0.5"."""
    parts: list[str] = [spec.shortcut]
    if spec.shortcut_scale != 1:
        parts.append(f"x {spec.shortcut_scale:g}")
    if spec.branch_scale != 1:
        parts.append(f"branches x {spec.branch_scale:g}")
    if spec.shortcut_gate != "none":
        parts.append(f"{spec.shortcut_gate} gates, biases from {spec.gate_bias:g}")
    if spec.shortcut_dropout:
        parts.append(f"dropout {spec.shortcut_dropout:g}")
    return ", ".join(parts)


def _activation(slope: float) -> str:
    return f"leaky ReLU with slope {slope:g}" if slope else "ReLU"
