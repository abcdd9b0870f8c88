import threading
import time

import numpy as np
import pytest
from scipy.io import savemat

from resnetlab.base import files
from resnetlab.data.folders.folder import open_folder
from resnetlab.data.folders.imagenet_devkit import DEVKIT, TRAIN_TAR, VAL_TAR
from resnetlab.data.tools import imagenet_raw
from resnetlab.data.tools.imagenet_raw import prepare_imagenet
from resnetlab.errors import DataError, WriteError
from tests.kit.imagenet_downloads import TRUTH, WNIDS, devkit, meta_mat
from tests.kit.pictures import picture
from tests.kit.tars import tar_bytes, write_tar


def prepare(imagenet_tars, out="out", **options):
    return prepare_imagenet(imagenet_tars, imagenet_tars.parent / out, is_subset=True, **options)


def test_every_image_lands_in_its_class(imagenet_tars):
    told = []
    prepared = prepare(imagenet_tars, progress=lambda *step: told.append(step))

    out = imagenet_tars.parent / "out"
    assert (prepared.images, prepared.written) == ({"train": 9, "val": 5}, 14)
    for k, wnid in enumerate(WNIDS):
        assert sorted(path.name for path in (out / "train" / wnid).iterdir()) == [
            f"{wnid}_{n}.JPEG" for n in range(k + 2)
        ]
    for n, label in enumerate(TRUTH, start=1):
        path = out / "val" / WNIDS[label - 1] / f"ILSVRC2012_val_{n:08}.JPEG"
        assert path.read_bytes() == picture(100 + n)
    assert told == [(part, done, 3) for part in ("train", "val") for done in (1, 2, 3)]
    source = open_folder(out)
    assert (source.class_names, len(source.train), len(source.test)) == (WNIDS, 9, 5)


def test_an_unpacked_devkit_will_do(imagenet_tars):
    (imagenet_tars / f"{DEVKIT}.tar.gz").unlink()
    for name, content in devkit().items():
        (imagenet_tars / name).parent.mkdir(parents=True, exist_ok=True)
        (imagenet_tars / name).write_bytes(content)

    assert prepare(imagenet_tars).images["val"] == 5


def test_an_interrupted_preparation_goes_on_with_whole_classes(imagenet_tars, monkeypatch):
    grow, grown = files.growing_directory, []

    def killed_at_the_second(path):
        if len(grown) == 1:
            for name in (f".{path.name}.999", f".resnetlab-999-0123abcd-{path.name}"):  # 0.1.0's, and ours
                (path.parent / name).mkdir()
                (path.parent / name / f"{path.name}_0.JPEG").touch()
            raise KeyboardInterrupt
        grown.append(path.name)
        return grow(path)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(files, "growing_directory", killed_at_the_second)
        prepare(imagenet_tars)
    out = imagenet_tars.parent / "out"
    first = out / "train" / WNIDS[0] / f"{WNIDS[0]}_0.JPEG"
    before = first.stat().st_mtime_ns

    prepared = prepare(imagenet_tars)

    assert (prepared.images, prepared.written) == ({"train": 9, "val": 5}, 12)
    assert first.stat().st_mtime_ns == before
    assert sorted(path.name for path in (out / "train").iterdir()) == [*WNIDS]
    assert prepare(imagenet_tars).written == 0


def test_what_lies_in_the_folder_and_is_none_of_ours_stays(imagenet_tars):
    out = imagenet_tars.parent / "out"
    for part in ("train", "val"):
        with_images = out / part / f".{WNIDS[0]}.77"
        for folder in (out / part / ".git", with_images, out / part / f".{WNIDS[0]}"):
            folder.mkdir(parents=True)
            (folder / "config").write_text("mine")
        (with_images / f"{WNIDS[0]}_0.JPEG").touch()
        (out / part / ".env").write_text("mine")
        (out / part / f".{WNIDS[1]}.99").symlink_to(out / part / ".git")
    before = {path: path.is_dir() or path.read_bytes() for path in out.rglob("*")}

    prepare(imagenet_tars)

    assert {path: path.is_dir() or path.read_bytes() for path in before} == before
    assert prepare(imagenet_tars).images == {"train": 9, "val": 5}


def test_a_class_folder_of_other_files_is_not_trusted(imagenet_tars):
    prepare(imagenet_tars)
    (imagenet_tars.parent / "out/train" / WNIDS[1] / f"{WNIDS[1]}_1.JPEG").unlink()

    with pytest.raises(DataError, match=r"n01443537: holds 2 files, which are not the archive's 3 images"):
        prepare(imagenet_tars)


def test_other_numbers_than_the_official_ones_are_refused_unless_a_subset(imagenet_tars):
    message = "the archives have 9 train, 5 val images, expected 1,281,167 train, 50,000 val"
    with pytest.raises(DataError, match=message):
        prepare_imagenet(imagenet_tars, imagenet_tars.parent / "out")


@pytest.mark.parametrize("name", [TRAIN_TAR, VAL_TAR])
def test_a_missing_archive_is_named(imagenet_tars, name):
    (imagenet_tars / name).unlink()

    with pytest.raises(DataError, match=f"{name} not there"):
        prepare(imagenet_tars)


def test_a_missing_or_damaged_devkit_is_named(imagenet_tars):
    path = imagenet_tars / f"{DEVKIT}.tar.gz"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"devkit_t12\.tar\.gz: cannot be read"):
        prepare(imagenet_tars)
    path.unlink()
    with pytest.raises(DataError, match="the devkit is not there\nPut ILSVRC2012_devkit"):
        prepare(imagenet_tars)
    (imagenet_tars / "meta.mat").write_bytes(meta_mat())
    (imagenet_tars / "ILSVRC2012_validation_ground_truth.txt").write_bytes(b"1\n2000\n")
    with pytest.raises(DataError, match="do not fit together"):
        prepare(imagenet_tars)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"junk", "not a readable .mat: "),
        (
            b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM" + bytes(400),
            "a .mat of MATLAB 7.3, which is not read\nSave it with -v7.",
        ),
        (None, "no records named synsets\nTake it out of"),
    ],
)
def test_a_damaged_meta_is_named_where_it_lies_with_what_to_do(imagenet_tars, content, told):
    path = imagenet_tars / "meta.mat"
    (imagenet_tars / "ILSVRC2012_validation_ground_truth.txt").write_bytes(b"1\n2\n")
    if content is None:
        savemat(path, {"others": np.zeros(3)})
    else:
        path.write_bytes(content)

    with pytest.raises(DataError) as caught:
        prepare(imagenet_tars)

    assert str(caught.value).startswith(f"{path}: {told}")


@pytest.mark.parametrize("name", [TRAIN_TAR, VAL_TAR])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 1])
def test_an_archive_that_was_cut_short_is_an_error(imagenet_tars, name, share):
    path = imagenet_tars / name
    content = path.read_bytes().rstrip(b"\0")
    path.write_bytes(content[: int(len(content) * share) // 512 * 512])

    with pytest.raises(DataError, match=r"cut short"):
        prepare(imagenet_tars)


def test_a_validation_image_beyond_the_ground_truth_is_an_error(imagenet_tars):
    write_tar(imagenet_tars / VAL_TAR, {"ILSVRC2012_val_00000006.JPEG": picture(1)})

    with pytest.raises(DataError, match=r"val_00000006\.JPEG, but .*has 5 lines"):
        prepare(imagenet_tars)


def test_a_class_without_images_is_an_error(imagenet_tars):
    write_tar(imagenet_tars / TRAIN_TAR, {f"{WNIDS[0]}.tar": tar_bytes({"README": b"none"})})

    with pytest.raises(DataError, match="n01440764: the archive has no image of this class"):
        prepare(imagenet_tars)


def test_members_that_climb_out_are_not_written(imagenet_tars):
    inner = {f"../../{WNIDS[0]}_7.JPEG": b"evil", "/etc/passwd": b"evil"}
    write_tar(imagenet_tars / TRAIN_TAR, {f"{WNIDS[0]}.tar": tar_bytes(inner), "../n00000000.tar": b"evil"})

    prepare(imagenet_tars)

    out = imagenet_tars.parent / "out"
    assert [path.name for path in (out / "train").iterdir()] == [WNIDS[0]]
    assert not list(imagenet_tars.parent.glob("*.JPEG"))


def test_another_preparation_is_waited_for(imagenet_tars, capsys):
    out = imagenet_tars.parent / "out"
    files.make_directory(out)
    held = files.DirectoryLock(out, "a preparation of ImageNet by process 17")
    said = ""

    def release_when_said() -> None:
        nonlocal said
        while "waiting until" not in said:
            time.sleep(0.05)
            said += capsys.readouterr().err
        held.release()

    threading.Thread(target=release_when_said, daemon=True).start()

    prepare(imagenet_tars)

    assert "in use by a preparation of ImageNet by process 17: waiting until" in said
    assert (out / "train").is_dir()
    assert imagenet_raw.OFFICIAL_IMAGES == {"train": 1_281_167, "val": 50_000}


@pytest.mark.parametrize("wnid", ["../../escaped", "n1", "n01440764/x"])
def test_a_devkit_whose_classes_are_no_wnids_writes_nothing(imagenet_tars, wnid):
    (imagenet_tars / f"{DEVKIT}.tar.gz").unlink()
    (imagenet_tars / "ILSVRC2012_validation_ground_truth.txt").write_text("1\n2\n1\n1\n2\n")
    (imagenet_tars / "meta.mat").write_bytes(meta_mat((wnid, *WNIDS[1:])))

    with pytest.raises(DataError, match=rf"meta\.mat names classes that are no wnids: {wnid}"):
        prepare(imagenet_tars)
    assert not list(imagenet_tars.parent.rglob("*.JPEG"))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([f"{WNIDS[1]}_1.JPEG"], "n01443537_1.JPEG is of another class"),
        ([f"a/{WNIDS[0]}_1.JPEG", f"b/{WNIDS[0]}_1.JPEG"], "has n01440764_1.JPEG twice"),
    ],
)
def test_images_of_another_class_and_two_of_a_name_are_errors(imagenet_tars, names, message):
    write_tar(imagenet_tars / TRAIN_TAR, {f"{WNIDS[0]}.tar": tar_bytes(dict.fromkeys(names, picture(1)))})

    with pytest.raises(DataError, match=f"n01440764.tar: {message}"):
        prepare(imagenet_tars)


def test_a_validation_image_that_is_there_twice_is_an_error(imagenet_tars):
    image = "ILSVRC2012_val_00000003.JPEG"
    write_tar(imagenet_tars / VAL_TAR, {f"a/{image}": picture(1), f"b/{image}": picture(2)})

    with pytest.raises(DataError, match=f"has {image} twice"):
        prepare(imagenet_tars)


def test_archives_that_windows_made_are_read(imagenet_tars):
    val = {f"val\\ILSVRC2012_val_{n:08}.JPEG": picture(100 + n) for n in (3, 1, 5, 2, 4)}
    write_tar(imagenet_tars / VAL_TAR, val)
    kit = {name.replace("/", "\\"): content for name, content in devkit().items()}
    write_tar(imagenet_tars / f"{DEVKIT}.tar.gz", kit, "w:gz")

    assert prepare(imagenet_tars).images["val"] == 5


def test_a_folder_that_cannot_be_written_says_how_to_go_on(imagenet_tars):
    (imagenet_tars.parent / "file").write_bytes(b"1")

    with pytest.raises(WriteError, match=r"^unpacking ImageNet into .*/file/out: could not make") as raised:
        prepare(imagenet_tars, "file/out")

    assert "the same command again" in raised.value.hint
