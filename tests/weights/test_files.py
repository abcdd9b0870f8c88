"""Weight files of every kind: read whole or refused with the cause; nothing in them runs."""

import json
import os
import pickle
import struct
import sys
import zipfile
from pathlib import Path

import pytest
import safetensors.torch
import torch

from resnetlab.errors import CheckpointError, UsageError
from resnetlab.weights import load_weights
from resnetlab.weights.files.reading import _is_keras as is_keras
from resnetlab.weights.files.reading import read_weight_file
from resnetlab.weights.files.unpickle import _main as read_here
from resnetlab.weights.files.wrapped import unwrap
from tests.kit.foreign_weights import TENSORFLOW, lively, official_cifar_8_v1, to_tensorflow
from tests.kit.protobuf import field
from tests.kit.tensorflow_checkpoints import block, handle, write_bundle
from tests.kit.torch_files import equal, save

TENSORS = {
    "b/kernel": torch.arange(24.0).reshape(2, 3, 4),
    "b/kernel_two": torch.ones(5),
    "a": torch.tensor(3.0),
    "step": torch.tensor(7),
}


# TensorFlow checkpoints --------------------------------------------------------------------------


def test_a_bundle_is_read_by_its_prefix_its_files_and_its_folder(tmp_path: Path) -> None:
    write_bundle(tmp_path / "model.ckpt-7", TENSORS)
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-7"\n')

    for name in ("model.ckpt-7", "model.ckpt-7.index", "model.ckpt-7.data-00000-of-00001", ""):
        assert equal(read_weight_file(tmp_path / name).tensors, TENSORS)


@pytest.mark.parametrize("share", [0.1, 0.4, 0.6, 0.9])
@pytest.mark.parametrize("file", ["index", "data-00000-of-00001"])
def test_a_flipped_byte_in_a_bundle_is_an_error(tmp_path: Path, file: str, share: float) -> None:
    write_bundle(tmp_path / "x", {name: TENSORS[name] for name in ("b/kernel", "b/kernel_two")})
    path = tmp_path / f"x.{file}"
    content = bytearray(path.read_bytes())
    content[int(share * (len(content) - 48))] ^= 16  # the footer's padding means nothing
    path.write_bytes(content)

    with pytest.raises(CheckpointError, match=r"x\.index: not a whole TensorFlow checkpoint"):
        read_weight_file(tmp_path / "x")


@pytest.mark.parametrize("file", ["index", "data-00000-of-00001"])
def test_a_bundle_cut_short_is_an_error(tmp_path: Path, file: str) -> None:
    write_bundle(tmp_path / "x", TENSORS)
    path = tmp_path / f"x.{file}"
    path.write_bytes(path.read_bytes()[:60])

    with pytest.raises(CheckpointError, match="not a whole TensorFlow checkpoint"):
        read_weight_file(tmp_path / "x")


def test_a_bundle_without_its_data_is_an_error(tmp_path: Path) -> None:
    write_bundle(tmp_path / "x", TENSORS)
    (tmp_path / "x.data-00000-of-00001").unlink()

    with pytest.raises(CheckpointError, match=r"x\.data-00000-of-00001"):
        read_weight_file(tmp_path / "x")


def test_what_a_checkpoint_holds_besides_weights_is_unused_and_said(tmp_path: Path) -> None:
    model = lively("tfofficial_cifar_resnet8v1")
    tensors = to_tensorflow(model.state_dict(), official_cifar_8_v1(), TENSORFLOW, "resnet_model/")
    extra = {"global_step": torch.tensor(9), "resnet_model/conv2d/kernel/Momentum": torch.ones(3)}
    write_bundle(tmp_path / "model", tensors | extra)

    state, report = load_weights(model, tmp_path / "model")

    assert set(report.unused) == set(extra)
    assert {"the step counter", "the optimizer's"} == set(report.unused.values())
    assert set(report.matched.values()) == set(tensors)
    assert set(report.derived) == {key for key in state if key.endswith("num_batches_tracked")}
    for key, tensor in model.state_dict().items():
        assert torch.equal(state[key], tensor)


def write_index(prefix: Path, header: bytes, entry: bytes) -> None:
    """Write an index of one tensor `a`, and one byte of data."""
    table, meta = block([(b"", header), (b"a", entry)]), block([])
    index = block([(b"~", handle(0, table))])
    footer = handle(len(table), meta) + handle(len(table) + len(meta), index)
    footer = footer.ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)
    prefix.with_name(f"{prefix.name}.index").write_bytes(table + meta + index + footer)
    prefix.with_name(f"{prefix.name}.data-00000-of-00001").write_bytes(b"a")


@pytest.mark.parametrize(
    ("header", "entry", "message"),
    [
        (field(1, 2**40), field(1, 1) + field(3, 2**39), r"data-549755813888-of-1099511627776"),
        (field(1, 1), field(1, 1) + field(3, 2**50), r"a is said to lie in shard 1125899906842624 of 1"),
        (field(1, 1), field(1, 1) + field(2, field(2, field(1, 2**63))), "the impossible shape"),
        (field(1, 1), b"\x08" + b"\x80" * 20 + b"\x01", "a number without end"),
    ],
)
def test_small_bundles_that_promise_much_are_errors(
    tmp_path: Path, header: bytes, entry: bytes, message: str
) -> None:
    write_index(tmp_path / "x", header, entry)

    with pytest.raises(CheckpointError, match=f"not a whole TensorFlow checkpoint.*{message}"):
        read_weight_file(tmp_path / "x")


def test_an_index_whose_blocks_lie_over_each_other_is_an_error(tmp_path: Path) -> None:
    table, meta = block([(b"", field(1, 1)), (b"a" * 999, field(1, 1))]), block([])
    index = block([(bytes([key]), handle(0, table)) for key in range(50)])
    footer = handle(len(table), meta) + handle(len(table) + len(meta), index)
    footer = footer.ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)
    (tmp_path / "x.index").write_bytes(table + meta + index + footer)

    with pytest.raises(CheckpointError, match="its blocks lie over each other"):
        read_weight_file(tmp_path / "x")


# torch's pickles ---------------------------------------------------------------------------------


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.starts_anew
def test_a_pickle_that_would_run_something_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    proof, path = tmp_path / "ran", tmp_path / "evil.pth"
    save({"state_dict": {"conv1.weight": torch.ones(1)}, "args": Evil(proof)}, path)

    with pytest.raises(CheckpointError, match="nothing of it was run"):
        read_weight_file(path)
    assert not proof.exists()
    pickle.loads(pickle.dumps(Evil(proof)))  # the trap does work
    assert proof.exists()


def test_a_wrapped_state_dict_is_found_in_a_pickle(tmp_path: Path) -> None:
    path = tmp_path / "resnet20.th"
    state = lively("resnet20").state_dict()
    akamaster = {"module." + key.replace("fc.", "linear."): tensor for key, tensor in state.items()}
    save({"state_dict": akamaster, "best_prec1": 91.7}, path)

    loaded, report = load_weights(None, path)

    assert equal(loaded, dict(state))
    assert report.naming.prefixes == ("module.",)
    assert any('"state_dict"' in note for note in report.notes)


def test_a_pickle_cut_short_and_one_of_no_tensors_are_told(tmp_path: Path) -> None:
    """What the reading process answers, asked here to save a process."""
    path, target = tmp_path / "x.pth", tmp_path / "target"
    save({"a": torch.ones(1000)}, path)
    path.write_bytes(path.read_bytes()[:2000])
    assert str(read_here(str(path), str(target))["problem"]).startswith("cannot be read (")

    save({"epoch": 3}, path)
    problem = read_here(str(path), str(target))["problem"]
    assert problem == "holds no named tensors; its keys are epoch (a number)"
    assert not target.exists()


def test_a_few_bytes_that_are_said_to_be_gigabytes_are_refused(tmp_path: Path) -> None:
    path = save({"a": torch.zeros(1).expand(2**40), "b": torch.ones(3)}, tmp_path / "x.pth")

    answer = read_here(str(path), str(tmp_path / "out"))

    assert "its tensors would take 4,398,046,511,116 bytes" in str(answer["problem"])
    assert not (tmp_path / "out").exists()


def test_a_file_that_unpacks_to_gigabytes_is_refused(tmp_path: Path) -> None:
    """Found by hand: a deflated part of 1 GiB in 1 MB took 4.5 GB."""
    path = save({"a": torch.zeros(2**25)}, tmp_path / "x.pth")
    with (
        zipfile.ZipFile(path) as plain,
        zipfile.ZipFile(tmp_path / "y.pth", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in plain.namelist():
            packed.writestr(name, plain.read(name))

    answer = read_here(str(tmp_path / "y.pth"), str(tmp_path / "out"))

    assert "its parts would take 134,2" in str(answer["problem"])


@pytest.mark.skipif(sys.platform != "linux", reason="where the system limits a process's memory")
def test_a_pickle_that_asks_for_gigabytes_of_nothing_gets_none(tmp_path: Path) -> None:
    """Found by hand: it numbers an object 2^28, for which the standard reader makes a table of 4 GB."""
    (tmp_path / "x.pth").write_bytes(b"\x80\x02]r\x00\x00\x00\x10.")

    with pytest.raises(CheckpointError, match=r"x\.pth: cannot be read \(MemoryError"):
        read_weight_file(tmp_path / "x.pth")


def test_averaged_weights_are_preferred_and_said() -> None:
    plain, averaged = {"a": torch.zeros(1)}, {"module": 1, "a": torch.ones(1)}

    found = unwrap({"model": plain, "model_ema": averaged, "epoch": 3})

    assert equal(dict(found.tensors), {"a": torch.ones(1)})
    assert found.notes == ('the weights are those under "model_ema"; others under "model"',)


def test_an_averaged_model_as_torch_writes_it_loads(tmp_path: Path) -> None:
    """Torchvision's training script saves it as model_ema, its count of steps beside the weights."""
    model = lively("resnet20")
    averaged = torch.optim.swa_utils.AveragedModel(lively("resnet20", bn_eps=1e-3))
    averaged.update_parameters(model)
    tensors = dict(unwrap({"model": {}, "model_ema": averaged.state_dict()}).tensors)
    path = tmp_path / "x.safetensors"
    safetensors.torch.save_file(tensors, path)

    state, report = load_weights(None, path)

    assert equal(state, dict(model.state_dict()))
    assert report.unused == {"n_averaged": "no part of such a network"}


def test_a_dictionary_that_holds_itself_has_no_tensors() -> None:
    content: dict[str, object] = {"a": 1}
    content["model"] = content

    assert unwrap(content).tensors == {}


def test_a_pickle_whose_directory_is_damaged_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    save({"a": torch.ones(3)}, path)
    content = bytearray(path.read_bytes())
    content[content.rfind(b"PK\1\2")] ^= 1
    path.write_bytes(content)

    assert not is_keras(path, b"PK")  # but torch's, whose reading process answers:
    assert str(read_here(str(path), str(tmp_path / "target"))["problem"]).startswith("cannot be read (")


# safetensors and what is none --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["net.safetensors", "net.pth", "net.h5"])
def test_a_pipe_is_not_waited_for(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / name)

    with pytest.raises(UsageError, match="is no file, but a pipe or a device"):
        read_weight_file(tmp_path / name)


def test_safetensors_in_several_files_are_read_by_folder(tmp_path: Path) -> None:
    safetensors.torch.save_file({"a": TENSORS["a"]}, tmp_path / "one.safetensors")
    safetensors.torch.save_file({"step": TENSORS["step"]}, tmp_path / "two.safetensors")
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "one.safetensors", "step": "two.safetensors"}}))

    assert equal(read_weight_file(tmp_path).tensors, {"a": TENSORS["a"], "step": TENSORS["step"]})

    (tmp_path / "two.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"two\.safetensors, which is not there"):
        read_weight_file(tmp_path)
    index.write_text(json.dumps({"weight_map": {"a": "../one.safetensors"}}))
    with pytest.raises(CheckpointError, match="elsewhere"):
        read_weight_file(index)


def test_torchs_files_in_several_are_read_by_their_index_and_their_folder(tmp_path: Path) -> None:
    """As transformers writes pytorch_model.bin.index.json; of missing ones each is named."""
    names = [f"pytorch_model-0000{number}-of-00003.bin" for number in (1, 2, 3)]
    state = lively("resnet18", blocks=(1, 1, 1, 1), width=0.125, classes=3).state_dict()
    parts = {key: names[index % 3] for index, key in enumerate(state)}
    for name in names:
        save({key: tensor for key, tensor in state.items() if parts[key] == name}, tmp_path / name)
    index = tmp_path / "pytorch_model.bin.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": parts}))

    assert equal(read_weight_file(index).tensors, dict(state))
    _, report = load_weights(None, tmp_path)
    assert report.spec.classes == 3
    assert report.kind == "torch file in 3 files"

    with pytest.raises(CheckpointError) as one:
        load_weights(None, tmp_path / names[0])
    assert "It is file 1 of 3: give the folder, or its index." in str(one.value.hint)
    (tmp_path / names[1]).unlink()
    with pytest.raises(CheckpointError, match=rf"names {names[1]}, which is not there"):
        load_weights(None, tmp_path)
    (tmp_path / names[0]).unlink()
    with pytest.raises(CheckpointError, match=rf"{names[0]}, {names[1]}, which are not there"):
        load_weights(None, index)


@pytest.mark.parametrize("name", ["x" * 400, "é" * 200, "\ud800", "../a", "a\0b"])
def test_an_index_that_names_what_no_file_is_called_is_an_error(name: str, tmp_path: Path) -> None:
    index = tmp_path / "net.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": name}}))

    with pytest.raises(CheckpointError, match="names "):
        read_weight_file(index)


def test_a_tensor_in_two_of_several_files_is_an_error(tmp_path: Path) -> None:
    for name in ("one.safetensors", "two.safetensors"):
        safetensors.torch.save_file({"a": TENSORS["a"], name: TENSORS["step"]}, tmp_path / name)
    index = tmp_path / "net.safetensors.index.json"
    places = {"a": "one.safetensors", "two.safetensors": "two.safetensors"}
    index.write_text(json.dumps({"weight_map": places}))

    with pytest.raises(CheckpointError, match=r"two\.safetensors holds a once more"):
        read_weight_file(index)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>404", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (b"GIF89a....", "not a weight file"),
    ],
)
def test_what_is_no_weight_file_is_called_what_it_is(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)

    with pytest.raises(CheckpointError, match=message):
        read_weight_file(path)


def test_safetensors_are_told_from_pickles_whatever_their_headers_length(tmp_path: Path) -> None:
    """One in 32 begins with 0x80, as pickles do; the name says nothing here."""
    contents = (safetensors.torch.save(TENSORS, {"more": "x" * count}) for count in range(256))
    path = tmp_path / "blob"
    path.write_bytes(next(content for content in contents if content[0] == 0x80))

    assert equal(read_weight_file(path).tensors, TENSORS)


@pytest.mark.parametrize("name", ["resnet8.data-aug.safetensors", "x.data-1-of-1", "a.data-00000-of-00001.x"])
def test_a_name_like_a_bundles_is_only_a_name(tmp_path: Path, name: str) -> None:
    safetensors.torch.save_file(TENSORS, tmp_path / name)

    assert equal(read_weight_file(tmp_path / name).tensors, TENSORS)


def test_a_home_of_nobody_and_an_index_of_brackets_are_errors(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="~nobody-of-this-name"):
        read_weight_file(Path("~nobody-of-this-name/x.pth"))
    (tmp_path / "model.safetensors.index.json").write_text("[" * 100_000)
    with pytest.raises(CheckpointError, match="not an index of weights"):
        read_weight_file(tmp_path)


def test_safetensors_cut_short_and_a_missing_file_are_errors(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    safetensors.torch.save_file(TENSORS, path)
    path.write_bytes(path.read_bytes()[:-3])

    with pytest.raises(CheckpointError, match="not whole safetensors"):
        read_weight_file(path)
    with pytest.raises(UsageError, match="there is no file"):
        read_weight_file(tmp_path / "none.pth")
