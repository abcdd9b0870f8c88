import bz2
import gzip
import json
import pickle
import re
import tarfile
from pathlib import Path

import pytest

from resnetlab import evaluate, resume, train
from resnetlab.data.records import webdataset
from resnetlab.data.records.webdataset import open_webdataset
from resnetlab.data.sources.choices import Choices
from resnetlab.errors import DataError
from tests.kit.open_files import held_after_refusal
from tests.kit.pictures import picture
from tests.kit.tars import write_tar


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("RESNETLAB_CACHE", str(tmp_path / "cache"))


def members(start, labels, *, suffix="jpg"):
    found = {}
    for index, label in enumerate(labels, start=start):
        found[f"{index:06}.{suffix}"] = picture(index)
        found[f"{index:06}.cls"] = str(label).encode()
    return found


@pytest.fixture
def shards(tmp_path):
    for number in range(3):
        write_tar(tmp_path / f"data/photos-train-{number:06}.tar", members(10 * number, [0, 2, 10]))
    write_tar(tmp_path / "data/photos-val-000000.tar", members(90, [10, 0]))
    return tmp_path / "data"


def test_images_and_labels_are_read(shards):
    source = open_webdataset(shards)

    assert source.class_names == ("0", "2", "10")
    assert source.train.labels.tolist() == [0, 1, 2] * 3
    assert source.test.labels.tolist() == [2, 0]
    image = source.train.read(4)
    assert (image.place, image.data) == ("photos-train-000001.tar/000011.jpg", picture(11))
    assert source.train.reader.size(4) == len(picture(11))


def test_labels_may_be_names_or_stand_in_json_and_names_may_have_dots_and_folders(shards):
    extra = {
        "a/x.seg.png": b"p", "a/x.json": json.dumps({"label": 2, "width": 3}).encode(),
        "b/x.JPEG": picture(1), "b/x.json": b'{"label": 2}', "b/x.cls": b" 10\n", "b/x.txt": b"caption",
        "c/x.cls": b"10", "c/x.png": b"p", "c/x.json": b'{"label": 2}',
    }  # fmt: skip
    write_tar(shards / "photos-train-000003.tar", extra)

    source = open_webdataset(shards)

    assert source.train.labels.tolist()[9:] == [1, 2, 2]  # the .cls goes before the .json
    assert source.train.place(9) == "photos-train-000003.tar/a/x.seg.png"


def test_names_are_sorted(tmp_path):
    write_tar(tmp_path / "d/0.tar", members(0, ["dog", "cat", "10"] * 5))

    source = open_webdataset(tmp_path / "d")

    assert source.class_names == ("10", "cat", "dog")
    assert (len(source.train), len(source.test)) == (12, 3)


def test_braces_patterns_and_folders_are_understood(shards, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert len(open_webdataset(Path("data/photos-train-{000000..000002}.tar")).train) == 8
    assert len(open_webdataset(Path("data/photos-{train,val}-*.tar".replace("{train,val}", "*"))).test) == 2
    with pytest.raises(DataError, match=r"2 of 5 are missing: data/photos-train-000003\.tar, data/photos"):
        open_webdataset(Path("data/photos-train-{000000..000004}.tar"))
    for part in ("train", "val"):
        (shards / part).mkdir()
        for path in shards.glob(f"*{part}-*.tar"):
            path.rename(shards / part / path.name.removeprefix(f"photos-{part}-"))
    assert len(open_webdataset(shards).train) == 9


def test_other_files_beside_the_shards_and_links_and_folders_in_them_are_passed_over(shards, tmp_path):
    (shards / "photos-train-list.txt").write_text("photos")
    with tarfile.open(shards / "photos-train-000002.tar", "a") as archive:
        for name, kind in (("link.jpg", tarfile.SYMTYPE), ("folder.jpg", tarfile.DIRTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)

    assert len(open_webdataset(shards / "*").train) == 9


def test_a_gap_in_the_numbers_is_named(shards):
    (shards / "photos-train-000001.tar").unlink()

    with pytest.raises(DataError, match=r"1 shards are missing: photos-train-000001\.tar"):
        open_webdataset(shards)


def test_shards_of_no_split_beside_shards_of_one_are_refused(shards):
    write_tar(shards / "more.tar", members(0, [0]))

    with pytest.raises(DataError, match=r"more\.tar: of which split"):
        open_webdataset(shards)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"x.jpg": b"1"}, "images without a label: .*x.jpg\nA label lies in NAME.cls"),
        ({"x.jpg": b"1", "x.cls": b""}, "x.cls: the label is '', neither"),
        ({"x.jpg": b"1", "x.cls": b"-1"}, "x.cls: the label -1 is below 0"),
        ({"x.jpg": b"1", "x.cls": b"1\n2"}, "x.cls: 2 lines are not one label"),
        ({"x.jpg": b"1", "x.cls": b"\xff"}, "x.cls: has no label .Unicode"),
        ({"x.jpg": b"1", "x.json": b'{"klass": 1}'}, "x.json: has no label .KeyError"),
        ({"x.jpg": b"1", "x.json": b"{"}, "x.json: has no label .JSONDecodeError"),
        ({"x.jpg": b"1", "x.json": b'{"label": [1]}'}, r"the label is \[1\], neither"),
        ({"x.jpg": b"1", "x.png": b"1", "x.cls": b"1"}, "x.jpg and x.png have the same name"),
        ({"x.jpg": b"1", "x.cls": b"1" * 2**21}, "bytes are no label"),
    ],
)
def test_bad_members_are_named(shards, extra, message):
    write_tar(shards / "photos-train-000003.tar", extra)

    with pytest.raises(DataError, match=f"(photos-train-000003.tar.*|){message}"):
        open_webdataset(shards)


def test_damage_is_an_error_and_never_the_end(shards):
    path = shards / "photos-train-000001.tar"
    whole = path.read_bytes()
    header = whole.index(b"000011.jpg")
    for content, message in (
        (whole[:header] + b"\1" * 40 + whole[header + 40 :], "a damaged header"),
        (b"\1" * 512 + whole[512:], "not a readable tar"),
        (whole[: header + 700], "damaged or cut short"),
        (whole[: header + 100], "a damaged header"),
        (whole[:header], "no end mark, the archive is cut short"),
        (gzip.compress(whole, mtime=0)[:-9], "cannot be unpacked"),
        (bz2.compress(whole), "compressed with bzip2"),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError, match=message):
            open_webdataset(shards)


def test_the_index_is_made_once(shards, monkeypatch):
    first = open_webdataset(shards)
    monkeypatch.setattr(webdataset, "index_tar", pytest.fail)

    again = open_webdataset(shards)

    assert again.fingerprint == first.fingerprint
    assert pickle.loads(pickle.dumps(again.train)).read(3) == first.train.read(3)


def test_no_images_is_said(tmp_path):
    write_tar(tmp_path / "d/train-0.tar", {"a.cls": b"1"})

    with pytest.raises(DataError, match="the shards have no images"):
        open_webdataset(tmp_path / "d")


def facts(source):
    return source.class_names, source.train.labels.tolist(), source.test.labels.tolist(), source.notes


def test_the_second_opening_finds_what_the_first_found_whatever_the_labels_hold(tmp_path):
    write_tar(tmp_path / "d/train-0.tar", members(0, ["0", "00\0x", "1", "\u00e9\n?"]))
    write_tar(tmp_path / "d/val-0.tar", members(10, ["1"]) | {"x.cls": b"0"})

    first, second = (facts(open_webdataset(tmp_path / "d")) for _ in range(2))

    assert first == second
    assert first[0] == ("0", "00\0x", "1", "\u00e9\n?")


def test_a_hard_link_under_an_images_name_is_an_error(shards):
    with tarfile.open(shards / "photos-train-000002.tar", "a") as archive:
        member = tarfile.TarInfo("000023.jpg")
        member.type, member.linkname = tarfile.LNKTYPE, "000022.jpg"
        archive.addfile(member)

    with pytest.raises(DataError, match=r"photos-train-000002\.tar: 000023\.jpg is a hard link"):
        open_webdataset(shards)


def test_labels_without_an_image_that_is_read_are_noted(shards):
    extra = {"x.jxl": b"1", "x.cls": b"nonsense", "y.json": b"["} | members(40, [0])
    write_tar(shards / "photos-train-000003.tar", extra)

    for _ in range(2):
        source = open_webdataset(shards)
        assert len(source.train) == 10
        note = "labels without an image that is read: 2 "
        assert note + "(photos-train-000003.tar/y.json, photos-train-000003.tar/x.cls)" in source.notes


def test_hidden_members_are_passed_over(shards):
    mac = {f"._{name}": b"\0\5\26\7" for name in members(10, [0, 2, 10])}
    mac |= {"__MACOSX/000010.jpg": b"1", ".git/a.jpg": b"1", "./x.jpg": picture(3), "./x.cls": b"2"}
    write_tar(shards / "photos-train-000003.tar", mac)

    source = open_webdataset(shards)

    assert (len(source.train), source.class_names) == (10, ("0", "2", "10"))
    assert "without an image" not in "".join(source.notes)


def test_a_json_beside_a_cls_may_be_about_anything(shards):
    about = b'{"width": 3}'
    extra = {"x.json": about, "x.jpg": b"1", "x.cls": b"2", "y.jpg": b"1", "y.cls": b"10", "y.json": about}
    write_tar(shards / "photos-train-000003.tar", extra)

    assert open_webdataset(shards).train.labels.tolist()[9:] == [1, 2]


def test_numbers_with_a_gap_are_said_to_be_counted_anew(shards):
    assert open_webdataset(shards).notes[0] == "labels are 0 to 10: class 1 is the one called 2"


@pytest.mark.parametrize("content", [b'{"label": "\\ud800"}', b"[" * 200_000])
def test_a_json_that_no_label_can_be_got_from_is_named(shards, content):
    write_tar(shards / "photos-train-000003.tar", {"x.jpg": b"1", "x.json": content})

    with pytest.raises(DataError, match=r"x\.json: has no label"):
        open_webdataset(shards)


def test_a_label_of_thousands_of_digits_is_a_name(shards):
    write_tar(shards / "photos-train-000003.tar", members(40, ["7" * 5000]))

    assert open_webdataset(shards).class_names == ("0", "10", "2", "7" * 5000)


def test_a_refused_shard_is_not_held_open(shards):
    path = shards / "photos-train-000001.tar"
    path.write_bytes(path.read_bytes()[:700])
    (shards / "photos-train-000002.tar").write_bytes(b"<html>" * 200)

    assert held_after_refusal(lambda: open_webdataset(shards), shards) == []


def test_names_that_windows_wrote_are_understood(tmp_path):
    written = {
        "my.photos\\a.jpg": picture(1), "my.photos\\a.cls": b"0",
        "my.photos\\b.jpg": picture(2), "my.photos\\b.cls": b"1",
        ".git\\c.jpg": b"1",
    }  # fmt: skip
    for part in ("train", "val"):
        write_tar(tmp_path / f"{part}-0.tar", written)

    source = open_webdataset(tmp_path)

    assert source.train.labels.tolist() == [0, 1]
    assert source.train.place(1) == "train-0.tar/my.photos/b.jpg"
    assert source.train.read(1).data == picture(2)


def small_set(tmp_path, members_of, *, number=12):
    """Write a shard of so many samples; `members_of(index, label)` are the files of one."""
    found = {}
    for index in range(number):
        found |= members_of(index, index % 3)
    write_tar(tmp_path / "d/photos-000000.tar", found)
    return tmp_path / "d"


def as_json(**content):
    return json.dumps(content).encode()


ANIMALS = ("cat", "dog", "owl")


def truth(source):
    """Return whether each image has the class that its number says."""
    names = [source.class_names[label] for label in source.train.labels]
    numbers = [int(re.sub(r"\D", "", source.train.place(i).rpartition("/")[2])) for i in range(len(names))]
    return [name in (str(n % 3), ANIMALS[n % 3]) for name, n in zip(names, numbers, strict=True)]


@pytest.mark.parametrize(
    "members_of",
    [
        lambda i, k: {f"{i}.jpg": b"p", f"{i}.json": as_json(label=k), f"{i}.a.json": as_json(label="x")},
        lambda i, k: {f"{i}.a.json": as_json(label="x"), f"{i}.jpg": b"p", f"{i}.json": as_json(label=k)},
        lambda i, k: {f"{i}.jpg": b"p", f"{i}.cls": b"%d" % k, f"{i}.coarse.cls": b"7"},
        lambda i, k: {f"{i}.coarse.cls": b"7", f"{i}.cls": b"%d" % k, f"{i}.jpg": b"p", f"{i}.json": b"{}"},
        lambda i, k: {f"IMG v.{i}.jpg": b"p", f"IMG v.{i}.cls": b"%d" % k},
        lambda i, k: {f"{i}.JPG": b"p", f"{i}.CLS": b"%d\n" % k},
        lambda i, k: {f"{i}.jpg": b"p", f"{i}.seg.png": b"m", f"{i}.cls": b"%d" % k},
        lambda i, k: {f"{i}.seg.png": b"m", f"{i}.jpg": b"p", f"{i}.cls": b"%d" % k},
        lambda i, k: {f"{i}.jpg": b"p", f"{i}.txt": ANIMALS[k].encode()},
        lambda i, k: {f"{i}.jpg": b"p", f"{i}.label": ANIMALS[k].encode()},
        lambda i, k: {f"{i}.jpg": b"p", f"{i}.index": b"%d" % k},
        lambda i, k: {f"{ANIMALS[k]}/{i}.jpg": b"p"},
        lambda i, k: {f"./pets/{ANIMALS[k]}/sub/{i}.jpg": b"p"},
        lambda i, k: {f"{i}.jpg": b"p", f"{i}.json": as_json(class_id=k, class_name=ANIMALS[k], url="http")},
        lambda i, k: {f"{i}.jpg": b"p", f"{i}.json": as_json(width=3, category=ANIMALS[k])},
        lambda i, k: {f"{i}.jpg": b"p", f"{i}.json": as_json(label=float(k))},
        lambda i, k: {f"{i}.jpg": b"p", f"{i}.json": b"%d" % k},
    ],
)  # fmt: skip
def test_the_label_is_the_one_of_the_very_same_name(tmp_path, members_of):
    source = open_webdataset(small_set(tmp_path, members_of))

    assert (len(source.train), len(source.class_names)) == (10, 3)
    assert all(truth(source))


def test_further_images_of_a_sample_are_noted(tmp_path):
    source = open_webdataset(
        small_set(tmp_path, lambda i, k: {f"{i}.jpg": b"p", f"{i}.seg.png": b"m", f"{i}.cls": b"%d" % k})
    )

    assert "further images of a sample, not read: .seg.png" in source.notes


@pytest.mark.parametrize(
    ("members_of", "message", "choice"),
    [
        (
            lambda i, k: {f"{i}.left.jpg": b"p", f"{i}.right.jpg": b"p", f"{i}.cls": b"%d" % k},
            "0.left.jpg, 0.right.jpg have the same name up to the first dot",
            {"image_column": "right.jpg"},
        ),
        (
            lambda i, k: {f"{i}.jpg": b"p", f"{i}.png": b"p", f"{i}.cls": b"%d" % k},
            "0.jpg and 0.png have the same name",
            {"image_column": "jpg"},
        ),
        (
            lambda i, k: {f"{i}.jpg": b"p", f"{i}.species.cls": ANIMALS[k].encode()},
            r"images without a label: 0.jpg, .*\n.*The shard has .species.cls",
            {"label_column": "species.cls"},
        ),
        (
            lambda i, k: {f"{i}.jpg": b"p", f"{i}.json": as_json(meta={"kind": ANIMALS[k]})},
            r"has no label .KeyError.*\n.*It has 'meta'",
            {"label_column": "meta.kind"},
        ),
        (
            lambda i, k: {f"{i}.jpg": b"p", f"{i}.json": as_json(label={"id": k, "name": ANIMALS[k]})},
            r"the label is an object of id, name\n.*label_column=label.id",
            {"label_column": "label.name"},
        ),
        (
            lambda i, k: {f"{i}.jpg": b"p", f"{i}.json": as_json(class_id=i, class_name=ANIMALS[k])},
            r"class_id and class_name are different labels",
            {"label_column": "class_name"},
        ),
        (
            lambda i, k: {f"{i}.jpg": b"p", f"{i}.json": as_json(category=ANIMALS[k], target=7)},
            r"has no label .*\n.*label_column=KEY. It has 'category', 'target'",
            {"label_column": "category"},
        ),
        (
            lambda i, k: {f"{i}.jpg": b"p", f"{i}.txt": b"a dog %d" % i, f"{i}.label": b"%d" % k},
            "the label can be in .label or .txt",
            {"label_column": "label"},
        ),
        (
            lambda i, k: {f"{ANIMALS[k]}/{i}.jpg": b"p", f"{ANIMALS[k]}/{i}.txt": b"a dog %d" % i},
            "the .txt files are no labels: 12 different texts for 12 images",
            {"label_column": "folder"},
        ),
    ],
)
def test_where_a_label_can_be_in_several_places_it_is_asked_for(tmp_path, members_of, message, choice):
    folder = small_set(tmp_path, members_of)

    with pytest.raises(DataError, match=message):
        open_webdataset(folder)
    source = open_webdataset(folder, choices=Choices.of(choice))

    assert len(source.class_names) == 3
    assert all(truth(source))


def test_shards_that_have_their_labels_in_different_places_are_refused(tmp_path):
    write_tar(tmp_path / "d/0.tar", {"1.jpg": b"p", "1.txt": b"cat"})
    write_tar(tmp_path / "d/1.tar", {"2.jpg": b"p", "2.cls": b"0"})

    with pytest.raises(DataError, match=r"in different places: .txt \(0.tar\), .cls or .json \(1.tar\)"):
        open_webdataset(tmp_path / "d")


def test_splits_in_a_shard_are_seen_and_what_is_beside_them_is_noted(tmp_path):
    names = [f"{part}/{name}/{i}.jpg" for part in ("train", "val") for name in ANIMALS for i in range(3)]
    write_tar(tmp_path / "d/photos.tar", dict.fromkeys(names, b"p"))

    source = open_webdataset(tmp_path / "d")

    assert (len(source.train), len(source.test), source.class_names) == (9, 9, ANIMALS)
    write_tar(tmp_path / "d/photos.tar", dict.fromkeys([*names, "test/1.jpg"], b"p"))
    assert any(
        "images in no class folder of a split, left out: 1" in note
        for note in open_webdataset(tmp_path / "d").notes
    )
    write_tar(tmp_path / "d/photos.tar", dict.fromkeys([*names, "extra/cat/1.jpg", "val/1.jpg"], b"p"))
    assert any("left out: 2 (e.g. extra/cat/1.jpg)" in note for note in open_webdataset(tmp_path / "d").notes)


@pytest.mark.parametrize("first", [0, 1])
def test_a_file_gives_names_to_numbers(tmp_path, first):
    folder = small_set(tmp_path, lambda i, k: {f"{i}.jpg": b"p", f"{i}.cls": b"%d" % (k + first)})
    (tmp_path / "names.txt").write_text("\n".join(ANIMALS) + "\n")

    source = open_webdataset(folder, choices=Choices.of({"class_names": str(tmp_path / "names.txt")}))

    assert source.class_names == ANIMALS
    assert all(truth(source))
    assert ("label 1 is the first class of names.txt" in source.notes) == bool(first)
    (tmp_path / "names.txt").write_text("cat\ndog\n")
    with pytest.raises(DataError, match=f"names 2 classes, there is a label {2 + first}"):
        open_webdataset(folder, choices=Choices.of({"class_names": str(tmp_path / "names.txt")}))


def test_a_pattern_may_list_words_and_lie_in_a_folder_with_the_signs_of_patterns(
    shards, tmp_path, monkeypatch
):
    odd = tmp_path / "my [data] {1}"
    shards.rename(odd)

    assert len(open_webdataset(odd / "photos-{train,val}-*.tar").test) == 2
    monkeypatch.chdir(odd)
    assert len(open_webdataset(Path("photos-*-{000000..000002}.tar".replace("*", "train"))).train) == 8


def test_a_run_on_a_relative_pattern_is_resumed_and_scored_from_anywhere(tmp_path, monkeypatch):
    write_tar(tmp_path / "here/d/0.tar", members(0, [0, 1] * 10))
    monkeypatch.chdir(tmp_path / "here")
    options = {"batch": 4, "checkpoint_every": 1, "image_size": 16, "workers": 0}
    train("resnet8", data="d/*.tar", out=tmp_path / "run", steps=2, **options)
    (tmp_path / "run/RESULT.json").unlink()
    monkeypatch.chdir(tmp_path)

    assert resume(tmp_path / "run").step == 2
    assert evaluate(tmp_path / "run").scores.seen == 4


@pytest.mark.parametrize("names", [("n01440764", "n01443537"), ("cat", "dog2")])
def test_a_shard_for_each_class_names_the_class(tmp_path, names):
    """As ImageNet's training images come: n01440764.tar of n01440764_18.JPEG, without folders."""
    for seed, name in enumerate(names):
        for part, start, count in (("train", 0, 3), ("val", 50, 2)):
            content = {f"{i}.JPEG": picture(100 * seed + i) for i in range(start, start + count)}
            write_tar(tmp_path / part / f"{name}.tar", content)

    source = open_webdataset(tmp_path)

    assert source.class_names == names
    assert source.train.samples_per_class(2) == [3, 3]
    assert source.test.samples_per_class(2) == [2, 2]
    assert source.train.read(3).data == picture(100)
    assert "the classes are the names of the shards" in source.notes


@pytest.mark.parametrize("names", [("photos-000", "photos-001"), ("1", "2"), ("train", "test"), ("only",)])
def test_shards_that_may_be_parts_of_one_collection_name_no_classes(tmp_path, names):
    for seed, name in enumerate(names):
        write_tar(tmp_path / f"{name}.tar", {f"{i}.jpg": picture(10 * seed + i) for i in range(3)})

    with pytest.raises(DataError, match="its pictures lie in no class folders"):
        open_webdataset(tmp_path)
