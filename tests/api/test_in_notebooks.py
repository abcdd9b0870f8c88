"""What a person has in a notebook shows itself: a short line as text, and markup in which no name is any."""

import io
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from PIL import Image

import resnetlab
from tests.kit.pictures import picture

HOSTILE = "<img src=x onerror=alert(1)>"
NAMES = (HOSTILE, "$\\frac{1}{0}$ 'cat'")
COMMON = {"device": "cpu", "workers": 0}


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """One of each, of a network trained on classes of hostile names, which is wrong now and then."""
    root = tmp_path_factory.mktemp(HOSTILE) / "data"
    for part, name in ((part, name) for part in ("train", "test") for name in NAMES):
        for index in range(4):
            path = root / part / name / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(picture(index, size=(32, 32), form="PNG"))
    spec = resnetlab.model_spec("resnet8").with_(width=0.25)
    run = root.parent / "run"
    given = {"steps": 2, "batch": 4, "compile": "off", "image_size": 32, "report": False, "train_size": 32}
    result = resnetlab.train(spec, data=str(root), out=run, observer=resnetlab.Silence(), **COMMON, **given)
    classifier = resnetlab.Classifier.load(run, device="cpu")
    image = next((root / "test" / HOSTILE).iterdir())
    yield {
        "result": result,
        "evaluation": resnetlab.evaluate(run, **COMMON),
        "source": resnetlab.open_source(str(root)),
        "recipe": resnetlab.named_recipe("he2015"),
        "classifier": classifier,
        "prediction": classifier.predict(image),
        "explanation": classifier.explain(image),
        "report": resnetlab.report(run),
    }


ALL = ("result", "evaluation", "source", "recipe", "classifier", "prediction", "explanation", "report")


@pytest.mark.parametrize("name", ALL)
def test_its_repr_is_one_short_line(objects: dict[str, Any], name: str) -> None:
    text = repr(objects[name])

    assert re.fullmatch(r"<[^\n]{8,250}>", text), text


@pytest.mark.parametrize("name", ALL)
def test_its_markup_is_whole_and_no_name_is_a_part_of_it(objects: dict[str, Any], name: str) -> None:
    html = objects[name]._repr_html_()

    tags = Tags()
    tags.feed(html)
    assert tags.open == [] and tags.known <= ALLOWED
    assert all(source.startswith("data:image/") for source in tags.sources)
    assert "onerror" not in tags.attributes


def test_names_are_told_as_they_are(objects: dict[str, Any]) -> None:
    told = HOSTILE.replace("<", "&lt;").replace(">", "&gt;")

    for name in ("evaluation", "source", "classifier", "prediction", "explanation"):
        assert told in objects[name]._repr_html_(), name


def test_pictures_are_seen(objects: dict[str, Any]) -> None:
    assert objects["source"]._repr_html_().count("<img") == len(NAMES)
    assert objects["prediction"]._repr_html_().count("<img") == 1
    assert objects["explanation"]._repr_html_().count("<img") == 2


def test_predictions_of_many_pictures_keep_no_pixels(objects: dict[str, Any]) -> None:
    many = objects["classifier"].predict([np.zeros((32, 32, 3), np.uint8)] * 65)

    assert {prediction.pixels is None for prediction in many} == {True}
    assert objects["prediction"].pixels.shape == (32, 32, 3)


def test_a_plot_is_a_picture_that_is_shown_at_a_size_to_be_read(objects: dict[str, Any]) -> None:
    plot = objects["report"].plot()

    png, about = plot._repr_png_()
    assert Image.open(io.BytesIO(png)).width == pytest.approx(about["width"] * 200 / 96, abs=2)
    assert (
        re.fullmatch("<curves of [^\n]*>", repr(plot)) and f'width="{about["width"]}"' in plot._repr_html_()
    )


def test_a_recipe_says_what_differs_from_the_one_that_it_is_named_after() -> None:
    recipe = resnetlab.named_recipe("he2015")
    changed = recipe.renamed("he2015", run=recipe.run.__class__(batch=77))

    assert "<b>77</b> instead of 128" in changed._repr_html_()
    assert "</b> instead of" not in recipe._repr_html_()


def test_a_network_table_is_shown_as_it_is_printed() -> None:
    text = resnetlab.model_spec("resnet8").summary()

    assert repr(text) == str(text) and "\n" in repr(text)


ALLOWED = {
    "div", "span", "p", "table", "thead", "tbody", "tr", "th", "td", "img", "details", "summary", "pre",
    "code", "b",
}  # fmt: skip


class Tags(HTMLParser):
    """The tags of some markup: which are open at its end, which there are, with which attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.known: set[str] = set()
        self.attributes: set[str] = set()
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.known.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.sources += [value or "" for name, value in attrs if name == "src"]
        if tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
