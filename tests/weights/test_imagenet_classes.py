"""Published networks know the classes that they learnt, and tell them in words."""

import re
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

from resnetlab import models
from resnetlab.errors import DataError
from resnetlab.network.catalog import model_spec
from resnetlab.trained.matching import match_classes
from resnetlab.weights.facts.imagenet_classes import imagenet_classes, in_words
from resnetlab.weights.facts.published import classes_by_name
from resnetlab.weights.loading import open_weights
from tests.kit.commands import run


def test_there_are_a_thousand_in_the_order_of_their_numbers() -> None:
    names = [*imagenet_classes()]
    assert len(names) == 1000 and names == sorted(set(names))
    # what the networks' authors show of it: 0, 1, 281, 388, 999
    assert [in_words(names[index]) for index in (0, 1, 281, 388, 999)] == [
        "tench (n01440764)",
        "goldfish (n01443537)",
        "tabby (n02123045)",
        "giant panda (n02510455)",
        "toilet tissue (n15075141)",
    ]


@pytest.mark.parametrize("name", ["tabby", "n0212304", "n99999999", "night", "n", ""])
def test_other_names_are_their_own_words(name: str) -> None:
    assert in_words(name) == name


@pytest.mark.parametrize(
    ("file", "classes", "is_known"),
    [
        ("resnet18-f37072fd.pth", 1000, True),
        ("resnet50v2_weights_tf_dim_ordering_tf_kernels.h5", 1000, True),
        ("resnet18-f37072fd.pth", 10, False),
        ("resnet18.pth", 1000, False),
        ("resnet50v2_weights_tf_dim_ordering_tf_kernels_notop.h5", 1000, False),
    ],
)
def test_a_published_file_is_known_by_its_name(file: str, classes: int, is_known: bool) -> None:
    names, remark = classes_by_name(Path(file), classes)
    assert (len(names) == 1000, bool(remark)) == (is_known, is_known)


def test_a_picture_is_answered_in_words(tmp_path: Path) -> None:
    """The file has the name and the shapes of torchvision's; whatever it sees, its bias says a tabby."""
    state = models.build(model_spec("resnet18"), seed=0).state_dict()
    state["fc.bias"] = torch.nn.functional.one_hot(torch.tensor(281), 1000) * 50.0
    safetensors.torch.save_file(state, tmp_path / "resnet18-f37072fd.pth")
    Image.new("RGB", (40, 40)).save(tmp_path / "x.png")

    done = run("predict", "resnet18-f37072fd.pth", "x.png", cwd=tmp_path)

    assert re.search(r"tabby \(n02123045\) +100\.00 %", done.stdout)
    assert "the file is of ImageNet's 1,000 classes" in done.stderr
    assert open_weights(tmp_path / "resnet18-f37072fd.pth").class_names[281] == "n02123045"
    told = run("predict", "resnet18-f37072fd.pth", "x.png", "--json", cwd=tmp_path).stdout
    assert '"n02123045"' in told


FORMS = ["WordNet's", "all words", "first words", "numbers", "numbers as text"]


@pytest.mark.parametrize("form", FORMS)
def test_data_of_imagenet_is_matched_however_its_classes_are_called(form: str) -> None:
    ours, words = [*imagenet_classes()], [*imagenet_classes().values()]
    theirs = {
        "WordNet's": ours[100:200],
        "all words": words[100:130],  # without the two cranes
        "first words": [each.partition(",")[0] for each in words[100:130]],
        "numbers": [*map(str, range(1000))],
        "numbers as text": [f"{index:03}" for index in range(1000)],
    }[form]
    first = 0 if len(theirs) == 1000 else 100
    found = match_classes("data", theirs, np.arange(len(theirs)), ours)
    assert found.logits.tolist() == [*range(first, first + len(theirs))]


def test_a_word_of_two_classes_is_none() -> None:
    with pytest.raises(DataError, match="crane"):
        match_classes("data", ["crane", "tench"], np.arange(2), [*imagenet_classes()])
