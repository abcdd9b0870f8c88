"""A network that was changed is not drawn as the one it is named after; columns of one name differ."""

from resnetlab.network.catalog import changed_texts, changes, model_spec
from resnetlab.show.drawing.scene import Box, Text
from resnetlab.show.picture import draw
from tests.kit.overlaps import problems

CHANGED = model_spec("resnet20").with_(classes=1001, in_channels=1, width=0.5)


def test_changes_are_those_to_the_network_of_that_name() -> None:
    assert changes(model_spec("resnet20")) == {}
    assert changes(model_spec("resnet20").with_(classes=7)) == {"classes": (10, 7)}
    assert changed_texts(CHANGED) == ("classes=1001", "in_channels=1", "width=0.5")
    assert changed_texts(model_spec("resnet20").with_(stem_width=8)) == ("stem_width=8",)
    assert changes(CHANGED.from_json(CHANGED.to_json() | {"name": "mine"})) == {}


def test_the_full_drawing_says_what_was_changed_and_so_does_the_table() -> None:
    (scene,) = draw([CHANGED])

    words = "here with classes=1001, in_channels=1, width=0.5"
    assert words in " ".join(item.text for item in scene.items if isinstance(item, Text))
    assert words in scene.description.replace("Here", "here")
    assert "classes=1001, in_channels=1, width=0.5; all else is the catalog's resnet20" in CHANGED.summary()
    assert "changed" not in model_spec("resnet20").summary()


def test_two_of_one_name_side_by_side_are_told_apart() -> None:
    for style in ("overview", "unit"):
        (scene,) = draw([model_spec("resnet20"), CHANGED], style=style)  # type: ignore[arg-type]
        found = [item for item in scene.items if isinstance(item, Text)]
        paths = [
            item.about
            for item in scene.items
            if isinstance(item, Box) and item.about.endswith("layer2.0.conv1")
        ]

        assert {"resnet20 (1)", "resnet20 (2)"} <= {item.text for item in found}
        assert paths == ["resnet20 (1):layer2.0.conv1", "resnet20 (2):layer2.0.conv1"]
        assert "with classes=1001, in_channels=1, width=0.5" in " ".join(item.text for item in found)
        assert problems(scene) == []


def test_given_names_head_the_columns_and_the_networks_own_stands_below() -> None:
    (scene,) = draw([CHANGED, model_spec("plain20")], style="overview", names=["first", "plain20"])
    found = [item.text for item in scene.items if isinstance(item, Text)]

    assert "first" in found
    assert "resnet20 with classes=1001, in_channels=1, width=0.5" in " ".join(found)
    assert problems(scene) == []
