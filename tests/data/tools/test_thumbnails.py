"""What a report shows of the data: some images of some classes, as they are, in little time."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from resnetlab.data.tools.thumbnails import thumbnails_of
from tests.kit.photographs import open_photographs, write_photographs
from tests.kit.small_runs import small_source


def test_images_in_memory_are_shown_pixel_by_pixel_by_class() -> None:
    """Three classes: six of each, in the order of the classes."""
    source = small_source()
    found = thumbnails_of(source)

    assert found is not None
    assert (found.kind, found.side, found.columns) == ("png", 16, 12)
    assert found.labels == (0,) * 6 + (1,) * 6 + (2,) * 6
    page = np.asarray(Image.open(io.BytesIO(found.content)))
    for number, label in enumerate(found.labels):
        x, y = number % 12 * 16, number // 12 * 16
        shown = page[y : y + 16, x : x + 16]
        those = source.train.images[source.train.labels == label]
        assert any(np.array_equal(shown, np.broadcast_to(each, (16, 16, 3))) for each in those)


def test_photographs_are_small_squares_and_say_where_they_lie(tmp_path: Path) -> None:
    source = open_photographs(write_photographs(tmp_path / "photos"))
    found = thumbnails_of(source)

    assert found is not None
    assert (found.kind, len(found.content) < 200_000) == ("jpeg", True)
    picture = Image.open(io.BytesIO(found.content))
    assert picture.size == (found.columns * found.side, -(-len(found.labels) // found.columns) * found.side)
    for place, label in zip(found.places, found.labels, strict=True):
        assert source.class_names[label] in place


def test_what_is_broken_is_left_out_and_the_time_ends_it(tmp_path: Path) -> None:
    photos = write_photographs(tmp_path / "photos")
    source = open_photographs(photos)
    whole = thumbnails_of(source)
    assert whole is not None
    broken = source.train.place(int(np.flatnonzero(source.train.labels == 0)[0]))
    next(path for path in photos.rglob("train/**/*.jpg") if str(path).endswith(broken)).write_bytes(
        b"no image"
    )
    without, one = thumbnails_of(source), thumbnails_of(source, seconds=0)

    assert without is not None
    assert one is not None
    assert broken in whole.places
    assert [*without.places] == [place for place in whole.places if place != broken]
    assert len(one.labels) == 1


def test_of_many_classes_twelve_lie_evenly() -> None:
    source = small_source()
    labels = np.arange(60, dtype=np.int64) % 30
    many = replace(
        source,
        class_names=tuple(f"class {n}" for n in range(30)),
        train=replace(source.train, labels=labels),
        test=replace(source.test, labels=np.arange(30, dtype=np.int64)),
    )
    found = thumbnails_of(many)

    assert found is not None
    assert len({*found.labels}) == 12
    assert {0, 29} <= {*found.labels}


def test_large_images_in_memory_are_made_small() -> None:
    """A picture of them stays below what a page takes."""
    source, rng = small_source(), np.random.default_rng(0)
    noise = rng.integers(0, 256, (60, 150, 101, 3)).astype(np.uint8)
    large = replace(
        source,
        train=replace(source.train, images=noise),
        test=replace(source.test, images=noise[:30]),
    )
    found = thumbnails_of(large)

    assert found is not None
    assert (found.kind, found.side) == ("jpeg", 96)
    assert len(found.content) < 2**18
