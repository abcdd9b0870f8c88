"""Checkpoints hold more than tensors: the weights are found, the rest is neither made nor run."""

import argparse
import datetime
import io
import json
import pickle
import struct
import tarfile
import zipfile
from collections import OrderedDict, defaultdict
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from resnetlab.errors import CheckpointError, UsageError
from resnetlab.weights.files.hub import _file_of as file_of
from resnetlab.weights.files.hub import locate
from resnetlab.weights.files.inert import Reader, RefusedError
from resnetlab.weights.files.reading import read_weight_file
from resnetlab.weights.files.torch_file import read
from resnetlab.weights.files.unpickle import _main as read_here
from resnetlab.weights.files.wrapped import unwrap
from tests.kit.torch_files import save

STATE = OrderedDict(
    [("z.weight", torch.randn(2, 3, 3, 3)), ("a.bias", torch.arange(3.0)), ("m.count", torch.tensor(7))]
)


class Config:
    """A class that the reading process does not have."""

    def __init__(self, **values: object) -> None:
        self.__dict__.update(values)


def tensors_of(content: object, tmp_path: Path, **how: Any) -> dict[str, Tensor]:
    return dict(unwrap(read(save(content, tmp_path / "x.pth", **how)).value).tensors)


def same(found: dict[str, Tensor], expected: dict[str, Tensor] = STATE) -> bool:
    return [*found] == [*expected] and all(torch.equal(found[name], expected[name]) for name in found)


BESIDE = {
    "best_prec1": np.float64(69.7),
    "history": np.arange(3),
    "args": argparse.Namespace(data=PurePosixPath("/data"), lr=0.1),
    "when": datetime.datetime(2020, 1, 2),
    "classes": torch.optim.SGD,
    "function": nn.functional.relu,
    "config": Config(depth=18),
    "per_class": defaultdict(list, {"a": [1]}),
    "rng": torch.get_rng_state(),
    "set": {1, 2},
}


@pytest.mark.parametrize("how", [{}, {"_use_new_zipfile_serialization": False}, {"pickle_protocol": 4}])
def test_the_weights_are_read_whatever_is_beside_them_in_the_files_order(
    tmp_path: Path, how: dict[str, Any]
) -> None:
    assert same(tensors_of({"epoch": 3, "state_dict": STATE, **BESIDE}, tmp_path, **how))


def test_the_numbers_are_those_of_torch(tmp_path: Path) -> None:
    """Views, parameters, halves, transposed and empty ones, integers; of both forms of torch's files."""
    base = torch.randn(6, 4)
    content = {
        "view.weight": base[1:3, ::2], "t": base.T, "half": base.half(), "bf": base.bfloat16(),
        "p": nn.Parameter(base), "i": torch.arange(5), "flag": torch.tensor(True), "none": torch.zeros(0, 3),
        "double": base.double(), "byte": torch.arange(3, dtype=torch.uint8),
    }  # fmt: skip
    for form in (True, False):
        found = tensors_of(content, tmp_path, _use_new_zipfile_serialization=form)
        assert same(found, {name: tensor.detach() for name, tensor in content.items()})


KEYS = (
    "teacher", "student", "model_state", "weights", "network", "params", "params_ema", "module", "backbone",
    "encoder", "online_network_state_dict", "model_weights", "checkpoint", "generator",
)  # fmt: skip


@pytest.mark.parametrize("key", KEYS)
def test_any_key_may_hold_the_weights(key: str) -> None:
    found = unwrap(
        {"epoch": 3, "name": {"arch": "resnet18"}, key: STATE, "optimizer": {"state": {0: {"x": 1}}}}
    )

    assert same(dict(found.tensors))
    assert found.notes[0] == f'the weights are those under "{key}"'


def test_a_key_that_trainers_use_counts_only_with_tensors_in_it() -> None:
    shadow = {"decay": 0.9, "num_updates": 3, "shadow_params": [*STATE.values()]}

    for content in ({"model": STATE, "ema": shadow}, {"model": {"name": "resnet18"}, "net": STATE}):
        assert same(dict(unwrap(content).tensors))


@pytest.mark.parametrize(
    ("content", "key"),
    [
        ((STATE, 90), "0"),
        ([{"epoch": 3}, {"net": STATE}], "1.net"),
        ({"ema": {"shadow": STATE, "decay": 0.9}}, "ema.shadow"),
        ({"trainer": {"model": {"state_dict": STATE}}}, "trainer.model.state_dict"),
    ],
)
def test_however_deep_they_lie(content: object, key: str) -> None:
    found = unwrap(content)

    assert same(dict(found.tensors))
    assert found.notes == (f'the weights are those under "{key}"',)


def test_nested_names_are_joined() -> None:
    nested = {
        "conv1": {"weight": STATE["z.weight"]},
        "layer1": {"0": {"conv1": {"weight": STATE["z.weight"]}}},
    }

    assert [*unwrap(nested).tensors] == ["conv1.weight", "layer1.0.conv1.weight"]


def test_what_an_optimizer_keeps_is_no_network() -> None:
    slots = {"conv.weight": {"exp_avg": torch.ones(2, 3, 3, 3), "exp_avg_sq": torch.ones(2, 3, 3, 3)}}

    for name in ("optimizer", "optim_state", "optimizer_states", "optimizers", "adam"):
        found = unwrap({"backbone": STATE, name: {"state": slots}})
        assert same(dict(found.tensors)), name
        assert len(found.notes) == 1


def test_of_two_networks_with_keys_that_nobody_knows_both_are_returned_by_name() -> None:
    found = unwrap({"student": STATE, "teacher": STATE})

    names = [f"{key}.{name}" for key in ("student", "teacher") for name in STATE]
    assert [*found.tensors] == names
    assert found.notes == ('it holds weights under "student" (3 tensors), "teacher" (3 tensors)',)


@pytest.mark.parametrize("prefix", ["teacher", "teacher.", "teacher.z"])
def test_the_one_that_a_user_names_is_returned_alone(prefix: str) -> None:
    for content in ({"student": STATE, "teacher": STATE}, {"state_dict": STATE, "teacher": STATE}):
        assert [*unwrap(content, prefix).tensors] == [f"teacher.{name}" for name in STATE]


def test_a_prefix_within_the_weights_leaves_their_key_to_the_rule() -> None:
    content = {"state_dict": {f"encoder_q.{name}": tensor for name, tensor in STATE.items()}}

    assert [*unwrap(content, "encoder_q").tensors] == [f"encoder_q.{name}" for name in STATE]


def test_a_head_that_lies_beside_comes_along() -> None:
    found = unwrap({"backbone": STATE, "fc": {"weight": torch.ones(3, 2), "bias": torch.ones(3)}})

    assert [*found.tensors] == [*(f"backbone.{name}" for name in STATE), "fc.weight", "fc.bias"]
    assert found.notes == ('it holds weights in pieces: "backbone" (3 tensors), "fc" (2 tensors)',)


def test_what_else_lies_beside_weights_of_a_known_key_is_said() -> None:
    found = unwrap({"state_dict": STATE, "queue": {"rows": torch.ones(3, 2)}})

    assert found.notes == ('the weights are those under "state_dict"', 'not taken: "queue" (1 tensors)')


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, bias=False)
        self.layer = nn.Sequential(nn.BatchNorm2d(4), nn.ReLU())
        self.register_buffer("scratch", torch.ones(2), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = self.layer(self.conv1(images))
        return found


@pytest.mark.parametrize("wrap", [lambda net: net, lambda net: {"model": net, "epoch": 3}, nn.DataParallel])
def test_a_whole_module_gives_its_state_dict_without_its_class(tmp_path: Path, wrap: Any) -> None:
    net = Net()
    expected = (nn.DataParallel(net) if wrap is nn.DataParallel else net).state_dict()

    for form in (True, False):
        found = tensors_of(wrap(net), tmp_path, _use_new_zipfile_serialization=form)
        assert same({name: found[name] for name in expected}, expected)
        assert len(found) == len(expected)


def test_a_script_gives_its_state_dict(tmp_path: Path) -> None:
    net = Net().eval()
    with torch.no_grad():
        torch.jit.trace(net, torch.zeros(1, 3, 8, 8)).save(str(tmp_path / "x.pt"))
    content = read(tmp_path / "x.pt")
    found, expected = unwrap(content.value).tensors, net.state_dict()

    assert content.is_script
    assert {*expected} <= {*found}
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_arrays_of_numpy_are_weights(tmp_path: Path) -> None:
    arrays = {name: tensor.numpy() for name, tensor in STATE.items()}
    odd = {"f": np.asfortranarray(np.arange(6.0).reshape(2, 3)), "big": np.arange(3, dtype=">f4")}
    for protocol in (2, 4, 5):
        path = tmp_path / "x.pkl"
        path.write_bytes(pickle.dumps({"model": arrays | odd, "__author__": "Caffe2"}, protocol))
        found = unwrap(read(path).value).tensors
        assert same({name: found[name] for name in STATE})
        assert torch.equal(found["f"], torch.arange(6.0).reshape(2, 3).double())
        assert torch.equal(found["big"], torch.arange(3.0))


def test_tensors_in_a_plain_pickle_are_read(tmp_path: Path) -> None:
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({"net": STATE}))

    assert same(dict(unwrap(read(tmp_path / "x.pkl").value).tensors))


def test_text_of_python_2_beyond_ascii_is_read(tmp_path: Path) -> None:
    content = pickle.dumps({"a": np.float32(1)}, 2)
    text = b"U\x04caf\xe9q\x7f"  # SHORT_BINSTRING as Python 2 wrote str
    path = tmp_path / "x.pkl"
    path.write_bytes(b"\x80\x02}(" + text + b"K\x01u.")

    assert read(path).value == {"caf\xe9": 1}
    assert content  # a pickle of this Python has no such text


class Python2(pickle._Pickler):  # type: ignore[misc, name-defined]
    """Writes every text and every bytes as Python 2 did its str."""

    dispatch: ClassVar[dict[Any, Any]] = dict(pickle._Pickler.dispatch)  # type: ignore[attr-defined]

    def save_string(self, text: str | bytes) -> None:
        raw = text.encode("latin1") if isinstance(text, str) else text
        self.write(b"T" + struct.pack("<i", len(raw)) + raw)
        self.memoize(text)

    dispatch[str] = dispatch[bytes] = save_string


def test_arrays_of_python_2_are_read(tmp_path: Path) -> None:
    """As Detectron's and Caffe2's .pkl files: bytes that are valid UTF-8 too are bytes."""
    odd = np.frombuffer("é".encode() * 8, np.float32).copy()
    for protocol in (1, 2):
        stream = io.BytesIO()
        Python2(stream, protocol).dump({"blobs": {"conv1_w": np.ones((2, 3, 3, 3), np.float32), "odd": odd}})
        (tmp_path / "x.pkl").write_bytes(stream.getvalue())
        found = unwrap(read(tmp_path / "x.pkl").value).tensors
        assert torch.equal(found["conv1_w"], torch.ones(2, 3, 3, 3))
        assert torch.equal(found["odd"], torch.from_numpy(odd))


class Trap:
    def __init__(self, function: Any, *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("function", ["os.mkdir", "subprocess.call", "builtins.eval", "shutil.rmtree"])
def test_what_would_run_something_is_refused(tmp_path: Path, function: str) -> None:
    module, _, name = function.rpartition(".")
    call = getattr(__import__(module), name)
    content = pickle.dumps({"a": Trap(call, str(tmp_path / "ran"))})

    with pytest.raises(RefusedError):
        Reader(io.BytesIO(content)).load()
    assert not (tmp_path / "ran").exists()


def ran(path: str) -> None:
    Path(path).touch()


def test_what_else_a_pickle_calls_is_not_run(tmp_path: Path) -> None:
    proof = tmp_path / "ran"
    path = save({"state_dict": STATE, "more": Trap(ran, str(proof))}, tmp_path / "x.pth")

    answer = read_here(str(path), str(tmp_path / "target"))

    assert f"{__name__}.ran" in str(answer["notes"])
    assert not proof.exists()
    pickle.loads(pickle.dumps(Trap(ran, str(proof))))
    assert proof.exists()  # the trap does work


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.99])
def test_a_stream_of_old_torch_cut_short_is_an_error(tmp_path: Path, share: float) -> None:
    path = save({"state_dict": STATE}, tmp_path / "x.pth", _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])

    answer = read_here(str(path), str(tmp_path / "target"))

    assert str(answer["problem"]).startswith("cannot be read (")
    assert "cut short" in str(answer["hint"])


def test_a_file_without_weights_tells_its_keys(tmp_path: Path) -> None:
    content = {"epoch": 3, "arch": "x", "shadow_params": [*STATE.values()], "meta": {"a": 1}, "cfg": Config()}

    answer = read_here(str(save(content, tmp_path / "x.pth")), str(tmp_path / "target"))

    assert answer["problem"] == (
        "holds no named tensors; its keys are epoch (a number), arch (text), shadow_params (3 tensors"
        f" without names), meta (1 entries), cfg ({__name__}.Config)"
    )


@pytest.mark.starts_anew
def test_the_reading_process_tells_all_and_keeps_the_order(tmp_path: Path) -> None:
    path = save({"arch": "resnet18", "ema": STATE, "model": STATE, **BESIDE}, tmp_path / "x.ckpt")

    file = read_weight_file(path)

    assert same(file.tensors)
    assert file.told["arch"] == "resnet18"
    said = 'the weights are those under "ema"; others under "model" (--prefix model takes those)'
    assert file.notes[0] == said
    assert [*read_weight_file(path, "model").tensors] == [f"model.{name}" for name in STATE]


# Other files -----------------------------------------------------------------------------------------


def archive(path: Path, names: tuple[str, ...]) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            file.writestr(name, b"x")
    return path


def test_arrays_in_an_npz_are_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", **{name: tensor.numpy() for name, tensor in STATE.items()})

    assert same(read_weight_file(tmp_path / "x.npz").tensors)
    np.savez(tmp_path / "o.npz", a=np.array([{}], dtype=object))
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_weight_file(tmp_path / "o.npz")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("net.pth",), r"is a zip archive of net\.pth\nUnpack it and give .* as net\.pth"),
        (("a.pth", "b.txt"), r"is a zip archive of a\.pth, b\.txt\nUnpack it"),
        (
            ("p/models/model.json", "p/version"),
            r"a program of torch\.export.*\n.*torch\.export\.load\(FILE\)",
        ),
        (("serialized_exported_program.json",), r"a program of torch\.export"),
    ],
)
def test_archives_that_hold_no_weights_say_what_to_do(
    tmp_path: Path, names: tuple[str, ...], message: str
) -> None:
    with pytest.raises(CheckpointError, match=message):
        read_weight_file(archive(tmp_path / "x.pth", names))


def test_what_torch_export_writes_is_known(tmp_path: Path) -> None:
    program = torch.export.export(Net().eval(), (torch.zeros(1, 3, 8, 8),))
    torch.export.save(program, tmp_path / "x.pt2")

    with pytest.raises(CheckpointError, match=r"a program of torch\.export"):
        read_weight_file(tmp_path / "x.pt2")


def tar(path: Path, mode: str) -> bytes:
    (path / "w.pth").write_bytes(b"x" * 600)
    with tarfile.open(path / "t", mode) as file:  # type: ignore[call-overload]
        file.add(path / "w.pth", "w.pth")
    return (path / "t").read_bytes()


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        ("w:bz2", r"is a bzip2 archive.*\nUnpack it \(tar xjf"),
        ("w:xz", "is an xz archive"),
    ],
)
def test_packed_files_say_how_to_unpack_them(tmp_path: Path, mode: str, message: str) -> None:
    content = tar(tmp_path, mode)
    (tmp_path / "model.pth.tar").write_bytes(content)

    with pytest.raises(CheckpointError, match=message):
        read_weight_file(tmp_path / "model.pth.tar")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty.*\nIts download or copy did not come through"),
        (b"<html><head><title>Sign in", "is a web page.*\nIts address gives a page"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied', "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS pointer.*git lfs pull"),
        (json.dumps({"error": "not found"}).encode(), "is text, as JSON"),
        (b"Not Found", "is text \\('Not Found'...\\)"),
    ],
)
def test_what_came_instead_of_a_file_is_called_what_it_is(
    tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "net.pth").write_bytes(content)

    with pytest.raises(CheckpointError, match=message):
        read_weight_file(tmp_path / "net.pth")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://huggingface.co/o/n/blob/main/m.safetensors", "https://huggingface.co/o/n/resolve/main/m.safetensors"),
        ("https://github.com/o/n/blob/v1/a/b.th", "https://github.com/o/n/raw/v1/a/b.th"),
        ("https://www.dropbox.com/s/x/a.pth?dl=0", "https://www.dropbox.com/s/x/a.pth?dl=1"),
        ("https://example.org/blob/a.pth", "https://example.org/blob/a.pth"),
    ],
)  # fmt: skip
def test_a_page_that_shows_a_file_leads_to_the_file(url: str, expected: str) -> None:
    assert file_of(url) == expected


@pytest.mark.parametrize("name", ["x.pth.tar", "last.ckpt", "R-50.pkl", "W.PTH", "a.npz"])
def test_addresses_may_end_in_any_suffix_of_weights(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESNETLAB_OFFLINE", "1")

    with pytest.raises(CheckpointError, match="RESNETLAB_OFFLINE forbids"):
        locate(f"https://example.org/{name}?download=true")


def test_a_page_of_a_drive_is_told() -> None:
    with pytest.raises(UsageError, match="Google Drive: download it in a browser"):
        locate("https://drive.google.com/file/d/1x/view")
