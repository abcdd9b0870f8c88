"""Archives of weights as TensorFlow publishes them: checkpoints and SavedModels in a .tar.gz."""

import gzip
import hashlib
import io
import tarfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor

from resnetlab.cli import main
from resnetlab.errors import CheckpointError, ResnetlabError, UsageError
from resnetlab.trained.artefact import load_artefact
from resnetlab.weights import load_weights
from resnetlab.weights.facts import published
from resnetlab.weights.files.hub import locate
from resnetlab.weights.files.reading import read_weight_file
from resnetlab.weights.files.tensorflow import archive
from tests.kit.foreign_weights import TENSORFLOW, lively, official_cifar_8_v1, to_tensorflow
from tests.kit.hub_server import Answer, Site
from tests.kit.tensorflow_checkpoints import write_bundle
from tests.kit.torch_files import equal

MODEL = lively("tfofficial_cifar_resnet8v1")
TENSORS = to_tensorflow(MODEL.state_dict(), official_cifar_8_v1(), TENSORFLOW, prefix="resnet_model/")
NAME = "resnet_imagenet_v1_fp32_20181001"


def bundle(tensors: Mapping[str, Tensor], folder: Path, prefix: str) -> dict[str, bytes]:
    """The two files of a checkpoint."""
    folder.mkdir(exist_ok=True)
    write_bundle(folder / prefix, tensors)
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name.startswith(f"{prefix}.")}


def tar(
    contents: Mapping[str, bytes],
    *,
    mode: str = "w:gz",
    links: Mapping[str, str] | None = None,
    pax: Mapping[str, str] | None = None,
) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as made:  # type: ignore[call-overload]
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size, member.pax_headers = len(content), dict(pax or {})
            made.addfile(member, io.BytesIO(content))
        for name, target in (links or {}).items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            made.addfile(member)
    return stream.getvalue()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return bundle(TENSORS, tmp_path_factory.mktemp("bundle"), "model.ckpt-225207")


def as_published(checkpoint: Mapping[str, bytes]) -> dict[str, bytes]:
    """The archive of October 2018, with what lies beside the checkpoint there."""
    note = b'model_checkpoint_path: "/tmp/train/model.ckpt-225207"\nall_model_checkpoint_paths: "x"\n'
    files = {"checkpoint": note, "graph.pbtxt": b"node {}", **checkpoint, "model.ckpt-225207.meta": b"meta"}
    return {f"{NAME}/{name}": content for name, content in files.items()}


def as_saved_model(checkpoint: Mapping[str, bytes]) -> dict[str, bytes]:
    root = "resnet_v1_fp32_savedmodel_NHWC/1538686669"
    files = {name.replace("model.ckpt-225207", "variables"): content for name, content in checkpoint.items()}
    return {f"{root}/saved_model.pb": b"graph"} | {f"{root}/variables/{n}": c for n, c in files.items()}


@pytest.mark.parametrize("layout", [as_published, as_saved_model])
@pytest.mark.parametrize(("file", "mode"), [("x.tar.gz", "w:gz"), ("x.tar", "w"), ("x", "w:gz")])
def test_a_checkpoint_in_an_archive_is_read_whatever_it_is_called(
    layout, file: str, mode: str, tmp_path: Path, checkpoint: dict[str, bytes]  # type: ignore[no-untyped-def]
) -> None:  # fmt: skip
    (tmp_path / file).write_bytes(tar(layout(checkpoint), mode=mode))

    state, report = load_weights(None, tmp_path / file)

    assert report.spec.name == "tfofficial_cifar_resnet8v1"
    assert equal(state, dict(MODEL.state_dict()))
    digest = hashlib.sha256((tmp_path / file).read_bytes()).hexdigest()
    assert any(digest in note and "of the archive" in note for note in report.notes)


def test_the_command_imports_an_archive(tmp_path: Path, checkpoint: dict[str, bytes]) -> None:
    (tmp_path / "x.tar.gz").write_bytes(tar(as_published(checkpoint)))

    assert main(["import", str(tmp_path / "x.tar.gz"), "-o", str(tmp_path / "net")]) == 0

    assert load_artefact(tmp_path / "net").origin.startswith("x.tar.gz, ")


def test_of_several_checkpoints_the_noted_one_is_taken(tmp_path: Path, checkpoint: dict[str, bytes]) -> None:
    older = bundle({name: tensor * 0 for name, tensor in TENSORS.items()}, tmp_path / "old", "model.ckpt-1")
    files = as_published(checkpoint) | {f"{NAME}/{name}": content for name, content in older.items()}
    (tmp_path / "x.tgz").write_bytes(tar(files))
    assert equal(load_weights(None, tmp_path / "x.tgz")[0], dict(MODEL.state_dict()))

    del files[f"{NAME}/checkpoint"]
    (tmp_path / "x.tgz").write_bytes(tar(files))
    with pytest.raises(UsageError, match=r"several: .*model\.ckpt-1, .*model\.ckpt-225207\n.*Unpack it"):
        load_weights(None, tmp_path / "x.tgz")


def test_one_file_of_weights_in_an_archive_is_read(tmp_path: Path) -> None:
    content = safetensors.torch.save({"a": torch.ones(2)})
    (tmp_path / "x.tar").write_bytes(tar({"a/README.md": b"?", "a/net.safetensors": content}, mode="w"))

    assert equal(read_weight_file(tmp_path / "x.tar").tensors, {"a": torch.ones(2)})


ONE = safetensors.torch.save({"a": torch.ones(1)})


@pytest.mark.parametrize(
    ("contents", "kind", "message"),
    [
        ({"a.txt": b"a", "b.txt": b"b"}, UsageError, r": .* without weights; it holds a\.txt, b\.txt\nR"),
        ({"a.safetensors": ONE, "b.safetensors": ONE}, UsageError, r".* several: a\.saf.*, b\.safetensors"),
        ({"x.data-00000-of-00001": b"1"}, UsageError, r".* without its \.index: x\.data-00000"),
        ({"x.index": b"1" * 60}, CheckpointError, r": x\.index: not a whole TensorFlow checkpoint"),
        ({"x.pth": tar({"y.pth": ONE}, mode="w")}, CheckpointError, r": its x\.pth is an archive again"),
    ],
)  # fmt: skip
def test_an_archive_of_something_else_is_told(
    contents: dict[str, bytes], kind: type[ResnetlabError], message: str, tmp_path: Path
) -> None:
    (tmp_path / "x.tgz").write_bytes(tar(contents))

    with pytest.raises(kind, match=rf"x\.tgz{message}"):
        read_weight_file(tmp_path / "x.tgz")


def test_links_and_paths_that_lead_out_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.safetensors").write_bytes(ONE)
    outside = {"../escaped.safetensors": ONE}
    links = {"a.safetensors": str(tmp_path / "secret.safetensors")}
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "x.tar").write_bytes(tar(outside, mode="w", links=links))

    assert [*read_weight_file(tmp_path / "in" / "x.tar").tensors] == ["a"]  # of the plain file alone
    assert not (tmp_path / "escaped.safetensors").exists()


def test_a_cut_or_damaged_archive_is_an_error(tmp_path: Path, checkpoint: dict[str, bytes]) -> None:
    whole = tar(as_published(checkpoint))
    for name, content in (
        ("cut.tgz", whole[: len(whole) // 2]),
        ("last.tgz", whole[:-6]),
        ("checksum.tgz", whole[:-8] + b"\1\2\3\4" + whole[-4:]),
        ("cut.tar", tar(as_published(checkpoint), mode="w")[:20_000]),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(CheckpointError, match=r"the archive is damaged or cut short .*\n.*anew"):
            read_weight_file(tmp_path / name)


def test_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST_BYTES", 1000)
    (tmp_path / "x.tgz").write_bytes(tar({"x.pth": bytes(1001)}))
    with pytest.raises(CheckpointError, match="more than"):
        read_weight_file(tmp_path / "x.tgz")

    monkeypatch.setattr(archive, "MOST_MEMBERS", 2)
    (tmp_path / "x.tgz").write_bytes(tar({"a": b"", "b": b"", "x.pth": b""}))
    with pytest.raises(CheckpointError, match="more than 2 members"):
        read_weight_file(tmp_path / "x.tgz")


def test_what_tarfile_reads_to_itself_has_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes names and extended headers of any length into memory."""
    path = tmp_path / "x.tgz"
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz", format=tarfile.GNU_FORMAT) as made:
        made.addfile(tarfile.TarInfo("n" * 2**21))
    for content in (stream.getvalue(), tar({"n" * 2**21: b""}), tar({"a": b"", "b" * 2**21: b""})):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"^[^\n]{,200}: a member with a header above 1\.0 MiB$"):
            read_weight_file(path)

    monkeypatch.setattr(archive, "_MOST_HEADERS", 4000)
    path.write_bytes(tar({f"{'n' * 200}{number}": b"" for number in range(4)}))
    with pytest.raises(CheckpointError, match="more than"):
        read_weight_file(path)


def test_what_follows_the_last_member_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST_BYTES", 2**20)
    (tmp_path / "x.tgz").write_bytes(gzip.compress(tar({"x.safetensors": ONE}, mode="w") + bytes(2**20)))

    with pytest.raises(CheckpointError, match="more than"):
        read_weight_file(tmp_path / "x.tgz")


@pytest.mark.parametrize(
    "headers",
    [
        {"GNU.sparse.map": "a,b"},
        {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "zz"},
    ],
)
def test_numbers_of_a_header_that_are_none_are_damage(headers: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(tar({"x.safetensors": ONE}, mode="w", pax=headers))

    with pytest.raises(CheckpointError, match="the archive is damaged"):
        read_weight_file(tmp_path / "x.tar")


def test_names_may_be_longer_than_a_files_name(tmp_path: Path, checkpoint: dict[str, bytes]) -> None:
    long = "ü" * 200
    path = tmp_path / "x.tgz"
    files = {f"{long}{name.removeprefix('model.ckpt-225207')}": part for name, part in checkpoint.items()}
    path.write_bytes(tar(files))
    assert equal(load_weights(None, path)[0], dict(MODEL.state_dict()))

    path.write_bytes(tar({f"{long}.safetensors": ONE}))
    file = read_weight_file(path)
    assert [*file.tensors] == ["a"]
    assert f"taken is {'ü' * 60}...{'ü' * 28}.safetensors of the archive" in file.notes[0]

    path.write_bytes(tar({f"{long}.index": b"1" * 60}))
    with pytest.raises(CheckpointError, match=r"x\.tgz: ü{60}\.\.\.ü{40}\.index: not a whole TensorFlow"):
        read_weight_file(path)


def test_an_archive_without_files_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(tar({}, mode="w", links={"a.pth": "b.pth"}))

    with pytest.raises(UsageError, match="without weights; it holds no plain files"):
        read_weight_file(tmp_path / "x.tar")


def test_a_file_twice_in_an_archive_is_refused(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as made:
        for _ in range(2):
            member = tarfile.TarInfo("a.safetensors")
            member.size = len(ONE)
            made.addfile(member, io.BytesIO(ONE))
    (tmp_path / "x.tar").write_bytes(stream.getvalue())

    with pytest.raises(CheckpointError, match=r"has a\.safetensors twice"):
        read_weight_file(tmp_path / "x.tar")


def test_a_gzip_that_is_no_tar_is_what_it_was(tmp_path: Path) -> None:
    (tmp_path / "x.gz").write_bytes(gzip.compress(b"weights"))

    with pytest.raises(CheckpointError, match=r"is a gzip archive, not a weight file\nUnpack it"):
        read_weight_file(tmp_path / "x.gz")


# By name and by address ----------------------------------------------------------------------------


def serve(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every published address lie on this machine."""
    moved = {
        publisher: {
            name: replace(file, url=f"{site.url}/{file.url.rpartition('/')[2]}")
            for name, file in files.items()
        }
        for publisher, files in published.PUBLISHERS.items()
    }
    monkeypatch.setattr(published, "PUBLISHERS", moved)


def test_tensorflows_archive_comes_by_its_name(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checkpoint: dict[str, bytes]
) -> None:
    serve(site, monkeypatch)
    site.answers[f"/{NAME}.tar.gz"] = Answer(tar(as_published(checkpoint)))

    state, _ = load_weights(None, "tensorflow:resnet50v1")

    assert equal(state, dict(MODEL.state_dict()))


def test_an_address_can_bring_its_hash(site: Site, checkpoint: dict[str, bytes]) -> None:
    content = tar(as_published(checkpoint))
    site.answers["/x.tar.gz"] = Answer(content)

    for algorithm in ("md5", "sha256"):
        digest = hashlib.new(algorithm, content).hexdigest()
        assert locate(f"{site.url}/x.tar.gz#{algorithm}={digest.upper()}").read_bytes() == content
    with pytest.raises(
        CheckpointError, match=r"has the sha256 [0-9a-f]{64}, expected (12345678){8}; removed"
    ):
        locate(f"{site.url}/x.tar.gz#sha256={'12345678' * 8}")
    with pytest.raises(
        UsageError, match=r"#sha256=12345678: a whole sha256 has 64 digits, not 8\n`sha256sum"
    ):
        locate(f"{site.url}/x.tar.gz#sha256=12345678")
    with pytest.raises(UsageError, match=r"what stands behind # is no hash\nIts form is #sha256=HEX"):
        locate(f"{site.url}/x.tar.gz#top")


def test_keras_names_bring_their_md5(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(site, monkeypatch)
    site.answers["/resnet101v2_weights_tf_dim_ordering_tf_kernels_notop.h5"] = Answer(b"\x89HDF")

    with pytest.raises(
        CheckpointError, match=r"md5 [0-9a-f]{32}, expected c0ed64b8031c3730f411d2eb4eea35b5; rem"
    ):
        locate("keras:resnet101v2.notop")
    for name in ("resnet18", "ResNet50", "resnet50.imagenet"):
        with pytest.raises(UsageError, match=r"keras publishes no weights .*\n.*resnet152v2\.notop"):
            locate(f"keras:{name}")


def test_published_addresses_are_those_of_the_sources() -> None:
    """Written down a second time; none of them can be asked here."""
    keras = "https://storage.googleapis.com/tensorflow/keras-applications/resnet/"
    assert published.find("keras:resnet50v2") == published.PublishedFile(
        f"{keras}resnet50v2_weights_tf_dim_ordering_tf_kernels.h5", "3ef43a0b657b3be2300d5770ece849e0", "md5"
    )
    assert published.find("keras:resnet152.notop").url.endswith(
        "/resnet152_weights_tf_dim_ordering_tf_kernels_notop.h5"
    )
    assert {len(file.digest) for file in published.PUBLISHERS["keras"].values()} == {32}
    assert len({file.digest for file in published.PUBLISHERS["keras"].values()}) == 12
    folder = (
        "https://storage.googleapis.com/download.tensorflow.org/models/official/20181001_resnet/checkpoints"
    )
    assert {name: file.url for name, file in published.PUBLISHERS["tensorflow"].items()} == {
        "resnet50v1": f"{folder}/resnet_imagenet_v1_fp32_20181001.tar.gz",
        "resnet50v1.fp16": f"{folder}/resnet_imagenet_v1_fp16_20181001.tar.gz",
        "resnet50v2": f"{folder}/resnet_imagenet_v2_fp32_20181001.tar.gz",
        "resnet50v2.fp16": f"{folder}/resnet_imagenet_v2_fp16_20180928.tar.gz",
    }  # fmt: skip


def test_an_address_that_a_publisher_names_has_its_hash() -> None:
    file = published.find("keras:resnet101")
    assert published.at(file.url) == file
    assert published.at(f"https://elsewhere.org/{file.url.rpartition('/')[2]}").digest == ""
    assert published.at("https://elsewhere.org/resnet18-f37072fd.pth").digest == "f37072fd"


def test_the_originals_http_address_is_asked_by_https(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESNETLAB_OFFLINE", "1")
    given = "http://download.tensorflow.org/models/official/20181001_resnet/savedmodels/resnet_v1_fp32_savedmodel_NHWC.tar.gz"

    with pytest.raises(
        CheckpointError, match=r"download https://storage\.googleapis\.com/download\.tensorflow\.org/"
    ):
        locate(given)
