"""The finder of overlaps finds each kind of them."""

import pytest

from resnetlab.show.drawing.scene import Box, Item, Path, Scene, Text
from tests.kit.overlaps import problems


def text(x: float, y: float, words: str = "words") -> Text:
    return Text(x=x, y=y, text=words, size=10, color="#000000")


def box(x: float, y: float, width: float, height: float) -> Box:
    return Box(x=x, y=y, width=width, height=height, about="it")


GOOD = (
    box(10, 10, 60, 30),
    text(20, 30),
    text(100, 30),
    Path(start=(5, 5), segments=(((90, 5),),), color=""),
)


@pytest.mark.parametrize(
    ("item", "found"),
    (
        (text(110, 33, "more"), "text 'words' meets text 'more'"),
        (text(5, 20, "edge"), "text 'edge' stands across box 'it' at 10,10"),
        (box(60, 30, 30, 30), "box 'it' at 10,10 and box 'it' at 60,30 cross"),
        (text(190, 50, "far out"), "text 'far out' leaves the page"),
        (Path(start=(150, 50), segments=(((210, 50),),), color=""), "path '' from 150,50 leaves the page"),
        (
            Path(start=(80, 26), segments=(((190, 27),),), color=""),
            "path '' from 80,26 runs through text 'words'",
        ),
        (
            Path(start=(90, 60), segments=(((90, 20), (140, 10), (190, 60)),), color="", about="c"),
            "path 'c' from 90,60 runs through text 'words'",
        ),
    ),
)  # fmt: skip
def test_every_kind_of_overlap_is_found(item: Item, found: str) -> None:
    def scene(items: tuple[Item, ...]) -> Scene:
        return Scene(width=200, height=100, background="", title="", description="", items=items)

    assert problems(scene(GOOD)) == []
    assert problems(scene((*GOOD, item))) == [found]
