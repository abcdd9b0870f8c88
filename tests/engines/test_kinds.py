"""Every engine gives the network's logits, for any number of images; each says what keeps it from that."""

import sys

import pytest
import torch

from resnetlab.engines.answering import difference
from resnetlab.engines.folding import TOLERANCE, fold
from resnetlab.engines.kinds import _graph, make, obstacle, onnxruntime_session
from resnetlab.engines.names import ENGINES, missing
from tests.kit.foreign_weights import lively
from tests.kit.small_runs import CPU

NETWORKS = [
    ("resnet8", 33, {"width": 0.5}),
    ("preresnet20", 32, {"act_slope": 0.1, "blocks": (1, 1, 1)}),
    ("resnet8_exclusive_gating", 32, {"width": 0.5}),
    ("resnet8_constant_scaling", 32, {"width": 0.5}),
    ("resnet8_dropout_shortcut", 32, {"width": 0.5}),
    ("resnet50_v1", 64, {"width": 0.125, "in_channels": 1, "blocks": (1, 1, 1, 1)}),
]


@pytest.mark.parametrize("engine", [name for name in ENGINES if name not in ("native", "inductor")])
@pytest.mark.parametrize(("name", "side", "knobs"), NETWORKS, ids=[case[0] for case in NETWORKS])
def test_the_logits_are_the_networks(engine: str, name: str, side: int, knobs: dict[str, object]) -> None:
    """tests/native has the kernels of our own over more kinds of layers."""
    if missing(engine):
        pytest.skip(missing(engine))
    model = lively(name, classes=4, **knobs)
    images = torch.randn(5, model.spec.in_channels, side, side, generator=torch.Generator().manual_seed(1))
    answers = make(engine, model, 4)

    for given in (images[:4], images[:1], images, images.contiguous(memory_format=torch.channels_last)):
        with torch.inference_mode():
            found = answers(given)
        assert (found.dtype, found.device) == (torch.float32, images.device)
        assert difference(answers, model, given) <= TOLERANCE
    before = found.clone()
    with torch.inference_mode():
        answers(images * 2)
    assert torch.equal(found, before), "what was answered stays"


@pytest.mark.kernels
@pytest.mark.parametrize("engine", ["native", "inductor"])
def test_what_is_compiled_gives_the_networks_logits(engine: str) -> None:
    """One unit for both, as each compiles for seconds; more and fewer images than expected."""
    model = lively("resnet8", classes=4, blocks=(1,), widths=(16,), out_channels=(16,), strides=(1,))
    if obstacle(engine, model, CPU):
        pytest.skip(obstacle(engine, model, CPU))
    images = torch.randn(5, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    answers = make(engine, model, 2)

    assert difference(answers, model, images) <= TOLERANCE
    assert difference(answers, model, images[:1]) <= TOLERANCE


@pytest.mark.parametrize("kind", ["constant_scaling", "exclusive_gating", "dropout_shortcut"])
def test_what_our_kernels_have_no_pass_for_is_said(kind: str) -> None:
    model = lively(f"resnet8_{kind}")

    assert "layer1.0." in obstacle("native", model, CPU)
    assert "factors, gates and dropout of shortcuts are PyTorch's" in obstacle("native", model, CPU)


def test_what_is_not_installed_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setitem(sys.modules, "onnx", None)

    assert obstacle("onnxruntime", lively("resnet8"), CPU) == (
        'onnxruntime is not installed: pip install "resnetlab[export]"; '
        'onnx is not installed: pip install "resnetlab[export]"'
    )


def test_what_needs_a_compiler_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")

    model = lively("resnet8")
    assert obstacle("inductor", model, CPU) == obstacle("native", model, CPU) == "no C++ compiler found"
    assert missing("inductor") == missing("native") == "no C++ compiler found"  # which `doctor` lists


@pytest.mark.parametrize("engine", ["native", "onnxruntime", "openvino"])
def test_engines_of_the_cpu_are_none_of_a_device(engine: str) -> None:
    why = obstacle(engine, lively("resnet8"), torch.device("cuda"))

    assert why == "it computes on the CPU, not on cuda"


def test_onnx_runtime_tells_nobody_of_what_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnx")
    runtime, told = pytest.importorskip("onnxruntime"), []
    monkeypatch.setattr(runtime, "disable_telemetry_events", lambda: told.append("off"))
    model = lively("resnet8", width=0.25)

    onnxruntime_session(_graph(model, fold(model.spec, model.state_dict())))

    assert told == ["off"]
