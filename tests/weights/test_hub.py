"""Published weights by name: from a server on this machine with the hub's layout, and from URLs."""

import contextlib
import hashlib
import importlib.util
import json
import logging
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import safetensors.torch
import torch

from resnetlab import create_model
from resnetlab.base.download import cache_folder
from resnetlab.cli import main
from resnetlab.errors import CheckpointError, ResnetlabError, UsageError, WriteError
from resnetlab.trained.artefact import load_artefact
from resnetlab.weights import load_weights
from resnetlab.weights.facts import published
from resnetlab.weights.files.hub import download, locate
from tests.kit.foreign_weights import lively
from tests.kit.hub_server import COMMIT, Answer, Site, point_hub_to
from tests.kit.tensorflow_checkpoints import write_bundle
from tests.kit.torch_files import equal

HAS_HUB = importlib.util.find_spec("huggingface_hub") is not None
needs_hub = pytest.mark.skipif(not HAS_HUB, reason="the extra hub (huggingface_hub) is not installed")
SMALL: dict[str, Any] = {"blocks": (1, 1, 1, 1), "width": 0.125, "classes": 5}
STATE = lively("resnet18", **SMALL).state_dict()
WEIGHTS = safetensors.torch.save(STATE)
# As timm publishes its models, shortened; shorter side 160 / 0.8 = 200.
CONFIG = {
    "architecture": "resnet18",
    "num_classes": 5,
    "pretrained_cfg": {
        "tag": "x",
        "input_size": [3, 160, 160],
        "interpolation": "bicubic",
        "crop_pct": 0.8,
        "mean": [0.5, 0.4, 0.3],
        "std": [0.2, 0.25, 0.3],
    },
}
FILES = {"model.safetensors": WEIGHTS, "config.json": json.dumps(CONFIG).encode()}


def do_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the library ask a server that is not there six times at once, and say nothing of it."""
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    monkeypatch.setattr(logging.getLogger("huggingface_hub"), "disabled", True)
    monkeypatch.setattr(logging.getLogger("huggingface_hub.utils._http"), "disabled", True)


# The hub ------------------------------------------------------------------------------------------


@contextlib.contextmanager
def library_as_if_new(**environment: str) -> Iterator[None]:
    """Let the library be imported anew inside: it reads its environment only then."""

    def taken_out() -> dict[str, ModuleType]:
        ours = [name for name in sys.modules if name.partition(".")[0] == "huggingface_hub"]
        return {name: sys.modules.pop(name) for name in ours}

    before = taken_out()
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name in [name for name in os.environ if name.startswith("HF_")]:
                patch.delenv(name)
            for name, value in environment.items():
                patch.setenv(name, value)
            yield
    finally:
        taken_out()
        sys.modules.update(before)


@needs_hub
def test_the_command_imports_from_the_hub_and_then_without_it(site: Site, tmp_path: Path) -> None:
    """With the environment that users have; the second time nobody is asked."""
    site.add_repository("timm/resnet18.x", FILES)
    environment = {"HF_HOME": str(tmp_path / "home"), "HF_ENDPOINT": site.url}

    with library_as_if_new(**environment):
        assert main(["import", "hf:timm/resnet18.x", "-o", str(tmp_path / "net")]) == 0
    asked = len(site.asked)
    with library_as_if_new(**environment, HF_HUB_OFFLINE="1"):
        assert main(["import", "hf:timm/resnet18.x", "-o", str(tmp_path / "again")]) == 0

    assert asked == len(site.asked) > 0
    assert (tmp_path / "home" / "hub").is_dir()
    for out in ("net", "again"):
        artefact = load_artefact(tmp_path / out)
        assert equal(dict(artefact.tensors), dict(STATE))
        geometry = artefact.preprocessing.geometry
        assert (geometry.side, geometry.resize, geometry.interpolation) == (160, 200, "bicubic")
        assert artefact.origin.startswith("resnet18.x, ")


def test_weights_of_the_hub_make_a_model_by_name(hub: Site) -> None:
    hub.add_repository("timm/resnet18.x", FILES)

    model = create_model("resnet18", weights="hf:timm/resnet18.x", **SMALL)
    state, report = load_weights(None, Path("hf:timm/resnet18.x"))

    assert equal(dict(model.state_dict()), dict(STATE))
    assert equal(state, dict(STATE))
    assert (report.preprocessing.mean, report.preprocessing.resize) == ((0.5, 0.4, 0.3), 200)
    assert COMMIT in report.path
    assert [path for method, path, _ in hub.asked if method == "GET" and "/api/" not in path] == [
        f"/cdn/{hashlib.sha256(WEIGHTS).hexdigest()}",
        f"/timm/resnet18.x/resolve/{COMMIT}/config.json",
    ]


def test_a_revision_is_taken_and_an_old_repository_has_another_name_and_no_config(hub: Site) -> None:
    """What that file is, its content tells: a pickle is read in a process of its own (test_files)."""
    hub.add_repository("me/net", {"pytorch_model.bin": WEIGHTS}, revision="v1")

    folder = locate("hf:me/net@v1")
    state, _ = load_weights(None, "hf:me/net@v1")

    assert [path.name for path in folder.iterdir()] == ["pytorch_model.bin"]
    assert equal(state, dict(STATE))
    assert any("/resolve/v1/" in path for _, path, _ in hub.asked)
    assert not any("/resolve/main/" in path for _, path, _ in hub.asked)


def test_what_the_cache_has_is_enough_without_a_server(hub: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also that a repository has no config.json is remembered."""
    hub.add_repository("me/net", {"model.safetensors": WEIGHTS})
    folder = locate("hf:me/net")

    do_not_wait(monkeypatch)
    point_hub_to("http://127.0.0.1:9", monkeypatch)
    assert locate("hf:me/net") == folder
    asked = len(hub.asked)
    point_hub_to(hub.url, monkeypatch)
    monkeypatch.setenv("RESNETLAB_OFFLINE", "1")
    assert locate("hf:me/net") == folder
    assert len(hub.asked) == asked


@pytest.mark.parametrize("switch", ["HF_HUB_OFFLINE", "RESNETLAB_OFFLINE"])
def test_offline_without_a_copy_asks_nobody_and_names_the_switch(
    hub: Site, monkeypatch: pytest.MonkeyPatch, switch: str
) -> None:
    hub.add_repository("me/net", FILES)
    if switch == "HF_HUB_OFFLINE":  # read by the library when it is imported
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    else:
        monkeypatch.setenv(switch, "1")

    with pytest.raises(CheckpointError, match=rf"not in the hub's cache, and {switch} .*\n.*give the file"):
        locate("hf:me/net")
    assert hub.asked == []


def test_weights_without_the_config_that_goes_with_them_are_no_copy(
    hub: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The preprocessing would silently be another."""
    hub.add_repository("me/net", FILES)
    import huggingface_hub

    huggingface_hub.hf_hub_download("me/net", "model.safetensors")
    monkeypatch.setenv("RESNETLAB_OFFLINE", "1")

    with pytest.raises(CheckpointError, match=r"config\.json is not in the hub's cache"):
        locate("hf:me/net")


def test_a_server_that_is_not_there_is_told(hub: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    do_not_wait(monkeypatch)
    point_hub_to("http://127.0.0.1:9", monkeypatch)

    with pytest.raises(CheckpointError, match=r"127\.0\.0\.1:9 gives no model.*refused.*\n.*give the file"):
        locate("hf:me/net")


@pytest.mark.parametrize(
    ("status", "code", "kind", "message"),
    [
        (
            404,
            "RepoNotFound",
            UsageError,
            r"there is no repository me/net at http://127.*private\n.*HF_TOKEN",
        ),
        (404, "RevisionNotFound", UsageError, r"me/net at .* has no revision v9\n"),
        (404, "EntryNotFound", UsageError, r"holds neither model\.safetensors nor pytorch_model\.bin\n"),
        (
            401,
            "RepoNotFound",
            UsageError,
            r"there is no repository me/net at .*, or it is private\n.*HF_TOKEN",
        ),
        (401, "", CheckpointError, r"model\.safetensors could not be downloaded.*401.*\n.*give the file"),
        (403, "GatedRepo", CheckpointError, r"accepted its terms\nAccept them .*HF_TOKEN.*give the file"),
        (403, "", CheckpointError, r"gives no model\.safetensors, .*403.*\n.*give the file"),
    ],
)
def test_a_refusal_of_the_hub_says_what_to_do(
    hub: Site, status: int, code: str, kind: type[ResnetlabError], message: str
) -> None:
    for file in ("model.safetensors", "pytorch_model.bin"):
        headers = {"X-Error-Code": code, "X-Repo-Commit": COMMIT} if code else {}
        hub.answers[f"/me/net/resolve/v9/{file}"] = Answer(status=status, headers=headers)

    with pytest.raises(kind, match=message):
        locate("hf:me/net@v9")


def test_a_torn_download_from_the_hub_is_not_kept(hub: Site, tmp_path: Path) -> None:
    hub.add_repository("me/net", FILES)
    large = hub.answers[f"/cdn/{hashlib.sha256(WEIGHTS).hexdigest()}"]
    large.body = WEIGHTS[:1000]

    with pytest.raises(CheckpointError, match=r"could not be downloaded.*size.*\n.*give the file"):
        locate("hf:me/net")
    assert not [path for path in (tmp_path / "hub").rglob("*") if path.suffix == ".safetensors"]

    large.body = WEIGHTS
    assert (locate("hf:me/net") / "model.safetensors").read_bytes() == WEIGHTS


@pytest.mark.skipif(HAS_HUB, reason="huggingface_hub is installed")
def test_a_missing_extra_is_told() -> None:
    with pytest.raises(UsageError, match=r'pip install "resnetlab\[hub\]"'):
        locate("hf:me/net")


@pytest.mark.parametrize("name", ["hf:resnet50", "hf:", "hf:a/b/c", "hf:a/b@", "hf:a b/c"])
def test_what_is_no_repository_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=r"names no repository.*\n.*hf:OWNER/NAME"):
        locate(name)


@needs_hub
def test_names_that_the_hub_forbids_are_told(hub: Site) -> None:
    with pytest.raises(UsageError, match=r"hf:a/b--c: .*--"):
        locate("hf:a/b--c")
    assert hub.asked == []


# URLs and torchvision ------------------------------------------------------------------------------


def test_a_url_is_downloaded_once_and_loads(site: Site) -> None:
    site.answers["/a/net.safetensors"] = Answer(WEIGHTS)
    site.answers["/b/net.safetensors"] = Answer(b"other")

    first = locate(f"{site.url}/a/net.safetensors")
    again = locate(Path(f"{site.url}/a/net.safetensors"))  # which has one slash of the two
    state, _ = load_weights(None, f"{site.url}/a/net.safetensors")

    assert first == again
    assert first.is_relative_to(cache_folder())
    assert equal(state, dict(STATE))
    assert site.asked == [("GET", "/a/net.safetensors", None)]
    assert locate(f"{site.url}/b/net.safetensors").read_bytes() == b"other"


@pytest.mark.parametrize("is_hashed", [False, True])
def test_a_download_that_breaks_off_is_not_there_and_goes_on_where_that_is_safe(
    site: Site, is_hashed: bool
) -> None:
    """Without a hash the rest could be another file's."""
    site.answers["/net.safetensors"] = Answer(WEIGHTS, cut_at=1000)
    url = f"{site.url}/net.safetensors"
    digest = hashlib.sha256(WEIGHTS).hexdigest()[:8] if is_hashed else ""

    with pytest.raises(CheckpointError, match=r"broke off after 1000 B.*\nRun the same.*give the file"):
        download(url, digest=digest)
    assert not list(cache_folder().rglob("*.safetensors"))
    site.answers["/net.safetensors"].cut_at = None

    assert download(url, digest=digest).read_bytes() == WEIGHTS
    assert site.asked[1] == ("GET", "/net.safetensors", "bytes=1000-" if is_hashed else None)


def test_another_hash_than_a_published_name_promises_is_refused_and_removed(site: Site) -> None:
    site.answers["/resnet18-f37072fd.pth"] = Answer(WEIGHTS)
    found = hashlib.sha256(WEIGHTS).hexdigest()[:8]

    with pytest.raises(CheckpointError, match=rf"sha256 {found}[0-9a-f]{{56}}, expected f37072fd\.\.\.; rem"):
        locate(f"{site.url}/resnet18-f37072fd.pth")
    assert {path.name for path in cache_folder().rglob("*") if path.is_file()} == {"lock"}


def test_what_was_damaged_in_the_cache_is_told_each_time(site: Site) -> None:
    """Weights with a turned bit would answer, and otherwise."""
    digest = hashlib.sha256(WEIGHTS).hexdigest()[:8]
    site.answers["/net.safetensors"] = Answer(WEIGHTS)
    path = download(f"{site.url}/net.safetensors", digest=digest)
    path.write_bytes(WEIGHTS[:-1] + bytes([WEIGHTS[-1] ^ 1]))

    with pytest.raises(
        CheckpointError, match=rf"{path}: the file has the sha256 .*damaged since it came\nRemove it"
    ):
        download(f"{site.url}/net.safetensors", digest=digest)
    path.unlink()
    assert download(f"{site.url}/net.safetensors", digest=digest).read_bytes() == WEIGHTS


def test_torchvisions_names_are_its_addresses() -> None:
    folder = "https://download.pytorch.org/models"
    files = published.PUBLISHERS["torchvision"]

    assert published.find("torchvision:resnet18").url == f"{folder}/resnet18-f37072fd.pth"
    assert files["resnet50.IMAGENET1K_V1"] == published.PublishedFile(
        f"{folder}/resnet50-0676ba61.pth", "0676ba61"
    )
    assert files["resnet50"] == files["resnet50.IMAGENET1K_V2"]
    assert files["resnet50"].url == f"{folder}/resnet50-11ad3fa6.pth"
    assert "resnet18.IMAGENET1K_V2" not in files
    assert all(file.digest in file.url and len(file.digest) == 8 for file in files.values())
    for name in ("resnet49", "resnet18.IMAGENET1K_V2", "resnext50_32x4d", "resnet50."):
        with pytest.raises(UsageError, match=r"publishes no weights .*\n.*resnet50\.IMAGENET1K_V2"):
            locate(f"torchvision:{name}")


@pytest.mark.parametrize(
    ("file", "resize", "note"),
    [
        ("resnet50-0676ba61.pth", 256, "IMAGENET1K_V1"),
        ("resnet50-11ad3fa6.pth", 232, "IMAGENET1K_V2"),
        ("resnet18-f37072fd.pth", 256, "IMAGENET1K_V1"),
        ("mine.pth", 256, ""),
    ],
)
def test_the_name_of_torchvisions_file_tells_its_preprocessing(
    tmp_path: Path, file: str, resize: int, note: str
) -> None:
    safetensors.torch.save_file(STATE, tmp_path / file)

    _, report = load_weights(None, tmp_path / file)

    assert (report.preprocessing.resize, report.preprocessing.crop) == (resize, 224)
    assert [text for text in report.notes if "IMAGENET" in text] == (
        [f"by its name, the file is torchvision's {note}"] if note else []
    )


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (Answer(status=404), UsageError, "the server says 404 Not Found"),
        (Answer(status=403), CheckpointError, "the server says 403 Forbidden"),
        (
            Answer(b"<html>", headers={"Content-Type": "text/html; charset=utf-8"}),
            CheckpointError,
            "a web page",
        ),
        (Answer(b"x" * 9, length=-1), CheckpointError, "does not say how long"),
        (Answer(status=302, headers={"Location": "ftp://127.0.0.1/x"}), CheckpointError, "redirected to ftp"),
    ],
)
def test_what_a_server_refuses_or_sends_instead_is_told(
    site: Site, answer: Answer, kind: type[ResnetlabError], message: str
) -> None:
    site.answers["/net.pth"] = answer

    with pytest.raises(kind, match=rf"net\.pth: .*{message}.*\n.*give the file"):
        locate(f"{site.url}/net.pth")
    assert not list(cache_folder().rglob("net.pth"))


def test_no_server_and_no_network_allowed_are_told(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CheckpointError, match=r"broke off after 0 B: .*refused.*\n.*give the file"):
        locate("http://127.0.0.1:9/net.pth")
    site.answers["/net.pth"] = Answer(WEIGHTS)
    locate(f"{site.url}/net.pth").unlink()
    monkeypatch.setenv("RESNETLAB_OFFLINE", "1")
    with pytest.raises(CheckpointError, match=r"RESNETLAB_OFFLINE forbids.*\n.*give the file"):
        locate(f"{site.url}/net.pth")
    assert len(site.asked) == 1


def test_a_cache_that_cannot_be_written_is_said_to_be_settable(site: Site, tmp_path: Path) -> None:
    (tmp_path / "cache").write_bytes(b"1")

    with pytest.raises(WriteError, match=rf"^downloading {site.url}/net\.pth: could not make") as raised:
        locate(f"{site.url}/net.pth")
    assert re.search("RESNETLAB_CACHE.*give the file", raised.value.hint)
    assert site.asked == []


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://example.org/x.pth", "by https alone"),
        ("https://example.org/", "no address of a weight file"),
        ("https://example.org/x.zip", "no address of a weight file"),
        ("https://[x/x.pth", "Invalid IPv6"),
    ],
)
def test_addresses_that_cannot_be_are_refused(url: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        locate(url)


# Paths ---------------------------------------------------------------------------------------------


MISSING = ("none.pth", "nets/none.onnx", "NONE.ONNX", "none.safetensors", "model.ckpt", "best.pth.tar")


def test_a_path_stays_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "resnet50").mkdir()
    write_bundle(tmp_path / "model.ckpt-7", {"a": torch.zeros(1)})

    for name in ("resnet50", "model.ckpt-7", "/none/at/all", *MISSING):
        assert locate(name) == locate(Path(name)) == Path(name)
    assert locate("./none") == Path("none")
    assert locate("~/x.pth") == tmp_path / "x.pth"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("resnet50.a1_in1k", "hf:timm/resnet50.a1_in1k"),
        ("timm/resnet50.a1_in1k", "hf:timm/resnet50.a1_in1k"),
        ("resnet50", "torchvision:resnet50"),
        ("resnet50.IMAGENET1K_V2", "torchvision:resnet50.IMAGENET1K_V2"),
        ("resnet50v2", "keras:resnet50v2"),
        ("resnet50v1.fp16", "tensorflow:resnet50v1.fp16"),
    ],
)
def test_a_bare_name_is_told_its_whole_form(
    name: str, meant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(
        UsageError, match=rf"there is no file {name}\nIf published weights are meant: {meant}\."
    ):
        load_weights(None, name)


@pytest.mark.parametrize("name", MISSING)
def test_a_missing_file_is_not_taken_for_a_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(UsageError, match=rf"there is no file {name}\nRead are \.safetensors") as raised:
        load_weights(None, name)
    assert "hf:" not in str(raised.value)
