"""The full schematic's layout: no overlaps, folding and unfolding, what stands where."""

import re
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from resnetlab.errors import UsageError
from resnetlab.network.catalog import list_models, model_spec
from resnetlab.show.drawing.scene import Box, Path, Scene, Text
from resnetlab.show.drawing.svg import to_svg
from resnetlab.show.picture import draw
from tests.kit.drawings import folded
from tests.kit.overlaps import problems


def texts_of(scene: Scene, role: str = "") -> list[Text]:
    return [item for item in scene.items if isinstance(item, Text) and (not role or item.role == role)]


@pytest.mark.parametrize("name", list_models())
def test_nothing_overlaps_and_no_letter_is_too_small(name: str) -> None:
    scene = folded(name)

    assert problems(scene) == []
    assert min(text.size for text in texts_of(scene)) >= 10
    assert 0.6 < scene.width / scene.height < 2.2


@pytest.mark.parametrize("columns", (1, 2, 5, 99))
@pytest.mark.parametrize("name", ("resnet50", "chaoji_resnet20", "plain20"))
def test_nothing_overlaps_in_any_number_of_columns(name: str, columns: int) -> None:
    (scene,) = draw([model_spec(name)], columns=columns)

    assert problems(scene) == []


@pytest.mark.parametrize(
    "knobs",
    ({"width": 0.05}, {"width": 20.0}, {"blocks": (1, 1, 1)}, {"act_slope": 0.1, "conv_bias": True}),
)
@pytest.mark.parametrize("name", ("resnet20", "plain110", "preresnet164"))
def test_nothing_overlaps_whatever_the_widths(name: str, knobs: dict[str, object]) -> None:
    (scene,) = draw([model_spec(name).with_(**knobs)], height=320, width=480)

    assert problems(scene) == []


def test_a_label_of_many_small_units_stays_off_the_trunk() -> None:
    spec = model_spec("plain20").with_(width=0.05, blocks=(12000, 1, 1))
    (scene,) = draw([spec], height=8, width=8)

    assert "units 1-12000" in {text.text for text in texts_of(scene)}
    assert problems(scene) == []


@pytest.mark.parametrize("name", ("resnet50", "plain20", "preresnet1001"))
def test_lines_from_column_to_column_run_between_the_panels(name: str) -> None:
    scene = folded(name)
    connectors = [item for item in scene.items if isinstance(item, Path) and len(item.segments) > 6]
    bends = [point for path in connectors for segment in path.segments[:-1] for point in segment]

    assert len(connectors) >= 2
    assert not [
        (x, y)
        for x, y in bends
        for box in scene.items
        if isinstance(box, Box) and box.x < x < box.x + box.width and box.y < y < box.y + box.height
    ]


@pytest.mark.parametrize("name", ("resnet56", "plain110", "resnet50_v2"))
def test_unfolded_every_unit_stands_once_on_pages_of_a4(name: str) -> None:
    spec = model_spec(name)
    pages = draw([spec], unfold=True)

    units = {unit.name for unit in spec.plan().units}
    labels = [t for page in pages for t in texts_of(page, "name") if t.text.startswith("unit ")]
    assert sorted(text.about for text in labels) == sorted(units)
    layers = {row.path for row in spec.shapes()}
    boxes = [item.about for page in pages for item in page.items if isinstance(item, Box)]
    assert sorted(about for about in boxes if about in layers) == sorted(layers)
    assert [problems(page) for page in pages] == [[]] * len(pages)
    assert all(page.height / page.width == pytest.approx(297 / 210) for page in pages)
    assert [texts_of(page)[-1].text for page in pages] == [
        f"{name}, page {number} of {len(pages)}" for number in range(1, len(pages) + 1)
    ]
    for number, (page, following) in enumerate(pairwise(pages), 1):
        assert f"to page {number + 1}" in {text.text for text in texts_of(page)}
        assert f"from page {number}" in {text.text for text in texts_of(following)}


def test_a_thousand_layers_fold_into_a_page_and_unfold_into_many() -> None:
    scene = folded("resnet1001")

    assert [text.text for text in texts_of(scene, "count") if text.text.startswith("×")] == ["× 110"] * 3
    assert {text.text for text in texts_of(scene, "name")} >= {"unit 1", "units 2-111"}
    assert len(draw([model_spec("resnet1001")], unfold=True)) > 30


def shortcut_paths(scene: Scene, unit: str) -> list[Path]:
    """Return the unit's shortcut without its bracket: what is not drawn in ink."""
    ink = texts_of(scene, "title")[0].color
    return [p for p in scene.items if isinstance(p, Path) and p.about == unit and p.color != ink]


def test_shortcuts_are_dashed_without_weights_heavy_with_and_absent_in_plain_nets() -> None:
    option_a, option_b = folded("resnet20"), folded("resnet50")

    assert {path.dashed for path in shortcut_paths(option_a, "layer2.0")} == {True}
    assert {path.dashed for path in shortcut_paths(option_a, "layer2.1")} == {False}
    (identity,) = shortcut_paths(option_b, "layer2.1")
    projection = shortcut_paths(option_b, "layer2.0")
    assert {path.dashed for path in (identity, *projection)} == {False}
    assert {path.width for path in projection} > {identity.width} or projection[0].width > identity.width
    assert not [item for item in folded("plain34").items if isinstance(item, Path) and item.dashed]
    sums = [
        [i for i in folded(name).items if isinstance(i, Box) and "plus the shortcut" in i.tip]
        for name in ("plain34", "resnet34")
    ]
    assert sums[0] == [] != sums[1]


def test_a_shortcut_leaves_where_the_network_takes_it() -> None:
    """TensorFlow's v2 projects the pre-activation in each stage's first unit; all else reads the input."""
    scene = folded("tfofficial_cifar_resnet20v2")
    tops = {item.about: item.y for item in scene.items if isinstance(item, Box) and item.about}

    for stage in (0, 1, 2):
        first, second = (f"stages.{stage}.blocks.{index}" for index in (0, 1))
        fork = shortcut_paths(scene, first)[0].start[1]
        assert tops[f"{first}.act1"] < fork < tops[f"{first}.conv1"]
        assert shortcut_paths(scene, second)[0].start[1] < tops[f"{second}.norm1"]


@pytest.mark.parametrize(
    ("name", "after"),
    (
        ("resnet110", ["act2"]), ("resnet110_bn_after_add", ["bn2", "act2"]), ("preresnet110", []),
        ("resnet110_relu_before_add", []), ("resnet110_relu_only_preact", []),
    ),
)  # fmt: skip
def test_what_follows_the_addition_stands_below_it(name: str, after: list[str]) -> None:
    scene = folded(name)
    unit = "stages.1.blocks.1" if name.startswith("pre") else "layer2.1"
    boxes = {item.about: item for item in scene.items if isinstance(item, Box) and item.about}
    sums = [b for b in scene.items if isinstance(b, Box) and b.about == unit and b.tip]

    below = [about for about, box in boxes.items() if about.startswith(f"{unit}.") and box.y > sums[0].y]
    assert below == [f"{unit}.{layer}" for layer in after]


def test_units_alone_have_a_card() -> None:
    for name in ("resnet20", "plain20"):
        scene = folded(name)
        background = scene.background
        cards = [i for i in scene.items if isinstance(i, Box) and i.fill == background and not i.about]
        units = [text for text in texts_of(scene, "name") if text.text.startswith("unit")]
        assert len([card for card in cards if card.height > 50]) == len(units) == 5


def test_the_heading_has_the_counts_beside_the_published_ones() -> None:
    said = " ".join(text.text for text in texts_of(folded("resnet20")))

    assert "269,722 parameters (published: 270 k)" in said
    assert "40.6 M multiply-adds" in said
    assert "20 weighted layers" in said
    assert "He et al., 2015, arXiv:1512.03385, section 4.2" in said
    assert "(published: 3.6 G)" in " ".join(text.text for text in texts_of(folded("resnet34")))


def test_the_stages_counts_add_up_to_the_whole() -> None:
    scene = folded("resnet20")

    counts = [t.text for t in texts_of(scene, "count") if "parameters" in t.text and t.about]
    assert counts == [
        "464 parameters  ·  442.4 k multiply-adds",
        "14.0 k parameters  ·  14.2 M multiply-adds",
        "51.1 k parameters  ·  13.0 M multiply-adds",
        "203.5 k parameters  ·  13.0 M multiply-adds",
        "650 parameters  ·  640 multiply-adds",
    ]


def test_names_of_others_in_letters_without_a_width_are_drawn() -> None:
    (scene,) = draw([replace(model_spec("resnet20"), name="сеть <20>", source="α")])

    assert scene.title == "???? <20>: schematic"
    assert ElementTree.fromstring(to_svg(scene))[0].text == scene.title


@pytest.mark.parametrize(
    ("arguments", "message"),
    (
        ({"style": "overview", "unfold": True}, "unfold goes with the style full"),
        ({"style": "unit", "columns": 2}, "columns goes with the style full"),
        ({"columns": 0}, "columns must be at least 1, got 0"),
        ({"height": 33, "width": 33}, "the branch makes maps of 17x17 px"),
    ),
)
def test_what_cannot_be_drawn_is_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        draw([model_spec("chaoji_resnet20")], **arguments)  # type: ignore[arg-type]


def test_full_draws_one_network() -> None:
    with pytest.raises(UsageError, match="draws one network, got 2"):
        draw([model_spec("resnet20"), model_spec("plain20")])


def test_the_description_tells_every_unit_and_each_page_its_own() -> None:
    told = folded("resnet50").description
    pages = draw([model_spec("resnet20")], unfold=True, columns=1)

    assert (
        "units 2-4: conv 1×1, BN (beta, gamma), ReLU, conv 3×3, BN (beta, gamma), ReLU, conv 1×1,"
        " BN (beta, gamma), ReLU; identity shortcut" in told
    )
    assert "conv 3×3 stride 2, BN (beta, gamma)" in told
    assert "unit 1: " in told and "; projection shortcut" in told
    assert len(pages) > 1
    for page in pages:
        drawn = {text.text for text in texts_of(page, "name") if text.text.startswith("unit ")}
        said = {part.split(":")[0] for part in re.findall(r"unit \d+:", page.description)}
        assert said == drawn


@pytest.mark.parametrize("name", ("preresnet20", "preresnet110", "resnet50_v2"))
def test_a_stage_is_not_split_where_a_page_of_whole_ones_is_as_comfortable(name: str) -> None:
    assert not [text.text for text in texts_of(folded(name), "stage") if "continued" in text.text]
