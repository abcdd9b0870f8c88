"""What differs, in words: every field has its sentence, and the sentences say it right."""

import dataclasses
import re
import types
import typing
from typing import Any, Literal, get_args, get_origin

import pytest

from resnetlab.base.plaindata import field_types
from resnetlab.network.catalog import list_models, model_spec
from resnetlab.network.spec import ModelSpec
from resnetlab.recipe.named import named_recipe
from resnetlab.recipe.settings import override
from resnetlab.show.tables.differences import (
    differing_counts,
    differing_fields,
    differing_leaves,
    model_differences,
    recipe_differences,
)
from resnetlab.show.tables.sentences import sentence


def two_values(kind: Any) -> list[tuple[Any, Any]]:
    """Return pairs of unequal values of a field's type; of names every ordered pair."""
    if get_origin(kind) is Literal:
        return [(a, b) for a in get_args(kind) for b in get_args(kind) if a != b]
    if get_origin(kind) in (typing.Union, types.UnionType):
        (inner,) = (option for option in get_args(kind) if option is not type(None))
        return [(None, two_values(inner)[0][0]), (two_values(inner)[0][0], None), *two_values(inner)]
    if get_origin(kind) is tuple:
        return [((1, 2), (1, 3)), ((1, 2), (2, 4)), ((1, 2), (2, 3, 4)), ((3,), (1,)), ((1, 1), (4, 4))]
    pairs: dict[Any, list[tuple[Any, Any]]] = {
        bool: [(True, False), (False, True)],
        int: [(10, 2000)],
        float: [(0.0, 0.25), (1e-5, 0.0)],
        str: [("a", "b")],
    }
    return pairs[kind]


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(ModelSpec)])
def test_every_field_has_a_sentence_for_every_change(field: str) -> None:
    """A new field without one fails here. Back and forth are two different sentences."""
    for old, new in two_values(field_types(ModelSpec)[field]):
        there, back = sentence(field, old, new), sentence(field, new, old)

        assert len(there.split()) > 2, (field, old, new)
        assert there != back, (field, old, new)
        assert "{" not in there and "None" not in there


@pytest.mark.parametrize(
    ("field", "old", "new", "text"),
    [
        ("stride_on", "first", "3x3", "the stride sits on the 3x3 instead of the first 1x1"),
        ("blocks", (3, 4, 6, 3), (3, 8, 6, 3), "8 units in stage 2 instead of 4"),
        ("blocks", (3, 3, 3), (18, 18, 18), "18 units in every stage instead of 3"),
        ("blocks", (3, 4, 6), (3, 1, 1), "1 and 1 units in the stages 2 and 3 instead of 4 and 6"),
        ("blocks", (3, 3), (1, 3), "1 unit in stage 1 instead of 3"),
        ("widths", (16, 9), (8, 16, 24), "8, 16 and 24 inner channels in 3 stages instead of 16 and 9 in 2"),
        ("bn_eps", 1e-5, 1e-3, "BN's constant under the root is 0.001 instead of 1e-05"),
        ("act_slope", 0.0, 0.1, "the activation is leaky ReLU with slope 0.1 instead of ReLU"),
        ("classes", 10, 1000, "1,000 instead of 10 classes"),
    ],
)  # fmt: skip
def test_sentences_say_the_second_instead_of_the_first(field: str, old: Any, new: Any, text: str) -> None:
    assert sentence(field, old, new) == text


@pytest.mark.parametrize("name", ["resnet20", "tfofficial_resnet50v2"])
def test_equal_networks_have_no_difference(name: str) -> None:
    spec = model_spec(name)

    assert model_differences(spec, spec, (name, name)) == "no difference"
    assert differing_fields(spec, spec) == differing_counts(spec, spec) == {}


def test_the_same_network_from_another_source_is_said_to_be_the_same() -> None:
    spec = model_spec("resnet20")
    other = dataclasses.replace(spec, name="mine", source="my own", published_parameters=None)

    text = model_differences(spec, other, ("resnet20", "mine"))
    assert text.startswith("no difference between the networks\n  source ")
    assert "it comes from my own" in text


def test_fields_and_counts_are_told_in_words() -> None:
    """The two ResNet-50: the paper's and the one that everybody trains, a sixteenth more work."""
    text = model_differences(model_spec("resnet50_v1"), model_spec("resnet50"), ("one", "two"))

    assert text.startswith("two differs from one:\n")
    assert "stride_on                the stride sits on the 3x3 instead of the first 1x1\n" in text
    assert "multiply-adds  4,089,184,256 instead of 3,857,973,248 (+231.2 M, +6.0 %)" in text
    assert "parameters     25,557,032 in both" in text
    assert "without effect" not in text


def test_counts_say_small_and_large_changes_alike() -> None:
    narrow, wide = model_spec("resnet20"), model_spec("resnet20").with_(width=4)
    text = model_differences(narrow, wide, ("a", "b"))
    projected = model_differences(narrow, narrow.with_(shortcut="B"), ("a", "b"))

    assert f"{wide.num_parameters:,} instead of 269,722 (+4.0 M, 16 times as many)" in text
    extra = 16 * 32 + 2 * 32 + 32 * 64 + 2 * 64
    assert f"(+{extra:,}, +{100 * extra / 269_722:.1f} %)" in projected


def by_field(first: str, second: str) -> dict[str, str]:
    text = model_differences(model_spec(first), model_spec(second), (first, second))
    lines = re.sub(r"\n {9,}", " ", text).splitlines()
    return {line.split()[0]: " ".join(line.split()[1:]) for line in lines if line[2:3].strip()}


def test_a_field_that_changes_nothing_in_either_is_left_out() -> None:
    """No projection in either: what follows a projection is no difference. The order is one."""
    found = by_field("resnet20", "preresnet20")

    assert not {"projection_norm", "projection_source"} & found.keys()
    assert {"order", "stem_norm", "first_shortcut_preact"} <= found.keys()


def test_a_field_that_says_something_of_one_alone_is_told_of_that_one() -> None:
    there, back = by_field("resnet20", "resnet50_v2"), by_field("resnet50_v2", "resnet20")

    assert there["stride_on"] == "the stride sits on the 3x3, where resnet20 has no such thing"
    assert back["stride_on"] == "no such thing; in resnet50_v2, the stride sits on the 3x3"
    assert there["projection_norm"] == "no BN follows a projection, where resnet20 has no such thing"
    assert "projection_source" not in by_field("plain20", "plain32")


def test_initialisers_and_rounded_counts_are_told_in_plain_words() -> None:
    assert sentence("conv_init", "he_fan_in", "he_fan_out") == (
        "convolutions start normal with variance 2 / fan-out instead of normal with variance 2 / fan-in"
    )
    assert "the source says 270 k parameters instead of 1.7 M" in sentence(
        "published_parameters", 1_700_000, 270_000
    )


@pytest.mark.parametrize("other", list_models()[::9])
def test_any_two_networks_fit_100_columns(other: str) -> None:
    text = model_differences(model_spec("keras_resnet20v2"), model_spec(other), ("keras_resnet20v2", other))

    assert max(map(len, text.splitlines())) <= 100


def test_recipes_differ_value_by_value_with_their_meaning() -> None:
    first = named_recipe("he2015", 20)
    second = override(first, {"lr": 0.2, "factors": (), "milestones": ()})
    text = recipe_differences(first, override(first, {"lr": 0.2}), ("a", "b"))

    assert differing_leaves(first, first) == {}
    assert recipe_differences(first, first, ("a", "b")) == "no difference"
    assert text == "from a to b:\n  lr  0.1 -> 0.2                  Peak learning rate, for the whole batch."
    assert set(differing_leaves(first, second)) == {"lr", "factors", "milestones"}


def test_recipes_far_apart_fit_100_columns_in_two_of_them() -> None:
    text = recipe_differences(named_recipe("he2015", 20), named_recipe("keras", 20), ("he2015", "keras"))
    lines = text.splitlines()

    assert max(map(len, lines)) <= 100
    starts = {len(line) - len(line.lstrip()) for line in lines if line.startswith("   ")}
    assert len(starts) == 1, "every meaning begins in the same column"
    assert "32000st,48000st -> 80ep,120ep,160ep,180ep" in text
