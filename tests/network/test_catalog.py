"""Names: which are accepted, what they mean, and how a wrong one is answered."""

import re

import pytest

from resnetlab.errors import UsageError
from resnetlab.network.catalog import families, list_models, model_spec


def test_listed_names_are_unique_and_mean_themselves() -> None:
    """Every listed name is made of [a-z0-9_], occurs once and is its specification's name."""
    names = list_models()

    assert len(names) == len(set(names))
    assert names == [name for group in families().values() for name in group]
    assert [name for name in names if not re.fullmatch("[a-z][a-z0-9_]*", name)] == []
    assert names == [model_spec(name).name for name in names]


@pytest.mark.parametrize(
    ("name", "meant", "depth", "unit"),
    [
        ("resnet26", "resnet26", 26, "basic"),
        ("resnet50", "resnet50", 50, "bottleneck"),
        ("resnet50_cifar", "resnet50_cifar", 50, "basic"),
        ("resnet20_cifar", "resnet20", 20, "basic"),
        ("resnet152_cifar", "resnet152_cifar", 152, "basic"),
        ("resnet164_bottleneck", "resnet164", 164, "bottleneck"),
        ("resnet29_bottleneck", "resnet29_bottleneck", 29, "bottleneck"),
        ("preresnet29_bottleneck", "preresnet29_bottleneck", 29, "bottleneck"),
        ("preresnet50", "preresnet50", 50, "basic"),
        ("plain50", "plain50", 50, "basic"),
        ("resnet20_relu_only_preact", "resnet20_relu_only_preact", 20, "basic"),
        (
            "resnet29_bottleneck_bn_after_add",
            "resnet29_bottleneck_bn_after_add",
            29,
            "bottleneck",
        ),
        ("keras_resnet8v1", "keras_resnet8v1", 8, "basic"),
        ("tfofficial_cifar_resnet14v2", "tfofficial_cifar_resnet14v2", 14, "basic"),
        ("tfresearch_cifar100_resnet56", "tfresearch_cifar100_resnet56", 56, "basic"),
    ],
)
def test_grammar(name: str, meant: str, depth: int, unit: str) -> None:
    """Any valid depth is accepted, and a second name of a network is answered with its first."""
    spec = model_spec(name)

    assert (meant, depth, unit) == (spec.name, spec.depth, spec.unit)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("resnet21", "The nearest: resnet20 and resnet26."),
        ("resnet49", "The nearest: resnet44 and resnet50_cifar."),
        ("resnet5", "The nearest: resnet8."),
        ("plain21", "The nearest: plain20 and plain26."),
        ("preresnet111", "The nearest: preresnet110 and preresnet116."),
        ("resnet30_bottleneck", "The nearest: resnet29_bottleneck and resnet38_bottleneck."),
        ("resnet111_bn_after_add", "resnet110_bn_after_add and resnet116_bn_after_add"),
        ("resnet18_v1", "resnet50_v1, resnet101_v1"),
        ("chaoji_resnet26", "chaoji_resnet20, chaoji_resnet32"),
        ("keras_resnet21v2", "keras_resnet20v2 and keras_resnet29v2"),
        ("tfofficial_resnet20v1", "tfofficial_resnet18v1"),
        ("tfresearch_cifar100_bottleneck165", "tfresearch_cifar100_bottleneck164"),
        ("reznet20", "Did you mean resnet20"),
        ("plain18_v2", "Did you mean plain18"),
        ("preresnet20_bn_after_add", "Did you mean"),
        ("resnet020", "Did you mean resnet20"),
        ("ResNetz20", "Did you mean resnet20"),
        ("", "`resnetlab list` shows all."),
    ],
)
def test_wrong_names_are_answered_with_the_nearest(name: str, hint: str) -> None:
    """A wrong depth is answered with valid ones, another wrong name with near ones."""
    with pytest.raises(UsageError) as caught:
        model_spec(name)

    assert hint in str(caught.value)


def test_every_suggested_depth_exists() -> None:
    """Whatever the hint for a wrong depth names can be built."""
    for depth in range(3, 300):
        try:
            model_spec(f"resnet{depth}")
        except UsageError as error:
            for name in re.findall(r"resnet\w+", error.hint):
                assert model_spec(name).name == name
