import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from resnetlab.data.folders.folder import open_folder
from resnetlab.data.records.tfrecord import open_tfrecord
from resnetlab.data.tools import check_findings
from resnetlab.data.tools.check import check_source
from resnetlab.data.tools.check_page import write_check_page
from resnetlab.errors import WriteError
from tests.kit.pictures import picture, write_folder
from tests.kit.tfrecords import write_shards


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "pets", {"train": {"cat": 4, "dog": 4}, "test": {"cat": 2, "dog": 2}})


def check(folder, **options):
    return check_source(open_folder(folder), **options)


def described(report):
    return [(finding.kind, finding.places, finding.detail) for finding in report.findings]


def test_a_clean_source_is_clean(folder):
    report = check(folder)

    assert report.is_clean
    assert report.findings == ()
    assert report.samples == {"train": 8, "test": 4}
    assert report.samples_per_class == {"cat": {"train": 4, "test": 2}, "dog": {"train": 4, "test": 2}}
    assert (report.formats, report.modes, report.imbalance) == ({"JPEG": 12}, {"RGB": 12}, 1.0)


def test_corrupt_images_are_found_with_their_cause(folder):
    whole = picture(80, size=(256, 256), quality=95)
    (folder / "train/cat/000.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "test/dog/001.jpg").write_bytes(b"<html>gone</html>")

    report = check(folder)

    assert not report.is_clean
    assert [(kind, places) for kind, places, _ in described(report)] == [
        ("corrupt", ("train/cat/000.jpg",)), ("corrupt", ("test/dog/001.jpg",)),
    ]  # fmt: skip
    assert report.findings[0].detail.startswith("damaged: image file is truncated")
    assert report.findings[1].detail == "not an image: the bytes look like an HTML page"
    assert (report.findings[1].classes, report.findings[1].parts) == (("dog",), ("test",))
    assert report.modes == {"RGB": 10}


def test_the_same_image_is_found_within_a_class_and_across_splits_and_classes(folder):
    twice = (folder / "train/cat/000.jpg").read_bytes()
    (folder / "train/cat/again.jpg").write_bytes(twice)
    (folder / "test/dog/leak.jpg").write_bytes((folder / "train/dog/001.jpg").read_bytes())
    (folder / "train/cat/both.jpg").write_bytes((folder / "train/dog/002.jpg").read_bytes())
    (folder / "train/dog/pixels.png").write_bytes(picture(90, form="PNG"))
    (folder / "train/dog/pixels.webp").write_bytes(picture(90, form="WEBP", lossless=True))

    report = check(folder)

    assert sorted(described(report)) == [
        (
            "contradiction",
            ("train/cat/both.jpg", "train/dog/002.jpg"),
            "the same bytes in the classes cat, dog",
        ),
        ("duplicate", ("train/cat/000.jpg", "train/cat/again.jpg"), "the same bytes"),
        ("duplicate", ("train/dog/pixels.png", "train/dog/pixels.webp"), "the same pixels"),
        ("leak", ("train/dog/001.jpg", "test/dog/leak.jpg"), "the same bytes in the splits test and train"),
    ]
    assert not report.is_clean


def test_duplicates_small_images_and_wrong_suffixes_alone_leave_it_clean(folder):
    (folder / "train/cat/again.jpg").write_bytes((folder / "train/cat/000.jpg").read_bytes())
    (folder / "train/cat/tiny.png").write_bytes(picture(70, size=(100, 31), form="PNG"))
    (folder / "train/dog/least.png").write_bytes(picture(71, size=(32, 32), form="PNG"))
    two_frames = {"save_all": True, "append_images": [Image.new("RGB", (40, 32))]}
    (folder / "train/dog/two.jpg").write_bytes(picture(73, form="MPO", **two_frames))
    (folder / "train/dog/gif.jpg").write_bytes(picture(72, form="GIF"))

    report = check(folder)

    assert report.is_clean
    assert sorted(described(report)) == [
        ("duplicate", ("train/cat/000.jpg", "train/cat/again.jpg"), "the same bytes"),
        ("small", ("train/cat/tiny.png",), "100 x 31 pixels"),
        ("suffix", ("train/dog/gif.jpg",), "it is GIF"),
    ]


def test_modes_and_imbalance_are_counted(folder):
    (folder / "train/cat/c.jpg").write_bytes(picture(60, mode="CMYK"))
    (folder / "train/cat/g.jpg").write_bytes(picture(61, mode="L"))
    for index in range(2):
        (folder / f"train/cat/p{index}.png").write_bytes(picture(62 + index, mode="P", form="PNG"))

    report = check(folder)

    assert report.modes == {"RGB": 12, "P": 2, "CMYK": 1, "L": 1}
    assert report.formats == {"JPEG": 14, "PNG": 2}
    assert report.imbalance == 2.0


def test_the_number_of_threads_changes_nothing_and_progress_is_told(folder):
    (folder / "train/cat/000.jpg").write_bytes(b"")
    told = []

    one = check(folder, num_threads=1)
    many = check(folder, num_threads=7, progress=lambda done, total: told.append((done, total)))

    assert one == many
    assert told[-1] == (12, 12)


def test_the_json_has_all_but_the_pictures(folder):
    (folder / "train/cat/again.jpg").write_bytes((folder / "train/cat/000.jpg").read_bytes())
    report = check(folder)

    plain = json.loads(json.dumps(report.to_json()))

    assert plain["is_clean"] is True
    assert plain["findings"] == [
        {
            "kind": "duplicate",
            "places": ["train/cat/000.jpg", "train/cat/again.jpg"],
            "classes": ["cat", "cat"],
            "parts": ["train", "train"],
            "detail": "the same bytes",
        }
    ]
    assert report.findings[0].thumbnail.startswith("data:image/jpeg;base64,")


class Tags(HTMLParser):
    """Counts what opens and sees that it closes."""

    VOID = ("meta", "img", "br")

    def __init__(self):
        super().__init__()
        self.open, self.links = [], []

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_needs_nothing_else_and_escapes_names(folder, monkeypatch):
    monkeypatch.setattr(check_findings, "MOST_THUMBNAILS", 1)
    (folder / "train/cat").rename(folder / "train/<b>cat & co")
    (folder / "test/cat").rename(folder / "test/<b>cat & co")
    for index in range(3):
        (folder / f"train/dog/tiny{index}.png").write_bytes(picture(70 + index, size=(8, 8), form="PNG"))
    (folder / "train/<b>cat & co/000.jpg").write_bytes(b"no")
    report = check(folder)

    write_check_page(report, folder / "page.html")

    page = (folder / "page.html").read_text()
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert len(tags.links) == 1
    assert tags.links[0].startswith("data:")
    assert page.count("<script>") == page.count("<script") == 1
    assert " style=" not in page
    assert "<b>cat" not in page
    assert "&lt;b&gt;cat &amp; co" in page
    assert "needs attention" in page
    assert re.search(r"Corrupt: 1.*co/000\.jpg.*look like text", page, re.DOTALL)
    assert "prefers-color-scheme: dark" in page


def test_a_page_of_a_clean_source_says_so(folder):
    write_check_page(check(folder), folder / "page.html")

    assert '<span class="good">clean</span>' in (folder / "page.html").read_text()


def test_the_background_class_does_not_count_as_the_smallest(tmp_path, monkeypatch):
    monkeypatch.setenv("RESNETLAB_CACHE", str(tmp_path / "cache"))
    write_shards(tmp_path / "data", "train", [1, 1, 2, 2])
    write_shards(tmp_path / "data", "validation", [1, 2])

    assert check_source(open_tfrecord(tmp_path / "data", classes=3)).imbalance == 1


def test_a_page_that_cannot_be_written_says_which_flag_names_it(tmp_path):
    report = check(write_folder(tmp_path / "f", {"train": {"a": 1, "b": 1}, "val": {"a": 1}}))

    with pytest.raises(WriteError, match=r"^writing the page of findings: .*\n.*--html"):
        write_check_page(report, tmp_path / "missing" / "page.html")


@pytest.mark.parametrize(("bits", "is_dark"), [(8, True), (12, True), (14, False), (16, False)])
def test_values_of_few_bits_in_files_of_16_are_found(folder, bits, is_dark):
    """A camera of 12 bits fills 16 of the 256 levels that are left of 16 bits."""
    values = np.linspace(0, 2**bits - 1, 64 * 64).reshape(64, 64).astype(np.uint16)
    Image.fromarray(values).save(folder / "train/cat/x-ray.png")

    found = [(kind, places, detail) for kind, places, detail in described(check(folder)) if kind == "dark"]

    levels = {8: 2, 12: 17}.get(bits)
    told = f"16 bits whose values fill {levels} of 256 levels; has it 12 bits?"
    assert found == ([("dark", ("train/cat/x-ray.png",), told)] if is_dark else [])
    assert check(folder).is_clean
