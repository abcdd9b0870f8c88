"""Little work is done by the network itself; for more the engine that is done first is found, and kept."""

import copy
import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from resnetlab.base.machine.remembered import remember
from resnetlab.engines import choosing
from resnetlab.engines.choosing import LITTLE, Work, choose, seconds_of
from resnetlab.engines.growing import Growing
from resnetlab.engines.kinds import Answers, make
from resnetlab.engines.names import AUTO
from resnetlab.errors import UsageError
from resnetlab.models import ResNet
from tests.kit.foreign_weights import lively

SIZE = (16, 16)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RESNETLAB_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture
def model() -> ResNet:
    return lively("resnet8", classes=3, width=0.25)


def work_of(model: ResNet, seconds: float) -> Work:
    return Work(int(seconds / seconds_of(model, Work(1, 1, SIZE))), 4, SIZE)


def some(count: int = 3) -> Tensor:
    return torch.randn(count, 3, *SIZE, generator=torch.Generator().manual_seed(3))


def nothing() -> Tensor:
    raise AssertionError("no image is wanted")


def test_for_little_work_nothing_is_made(model: ResNet, cache: Path) -> None:
    engine = choose(AUTO, model, work_of(model, 0.9 * LITTLE), nothing)

    assert (engine.name, engine.answers) == ("reference", None)
    assert engine.said == "reference (too little work for another)"
    assert not [*cache.iterdir()]


def test_for_seconds_of_work_a_usual_engine_is_made_and_nothing_measured(model: ResNet, cache: Path) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")

    engine = choose(AUTO, model, work_of(model, 3), some)

    assert engine.said == "onnxruntime (the usual one: none was measured here for work of seconds)"
    assert not (cache / "measured").exists()


def test_for_more_work_engines_are_measured_once_and_the_one_that_is_done_first_is_taken(
    model: ResNet, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is kept decides the second time: here numbers that nobody would measure."""
    first = choose(AUTO, model, work_of(model, 10), some)
    (kept,) = (cache / "measured" / "engines").iterdir()
    found = json.loads(kept.read_text())

    speeds = found["answer"]
    assert {"reference", "torch"} <= speeds.keys() and not {"native", "inductor"} & speeds.keys()
    assert first.name in speeds
    assert all(each["image"] > 0 and each["make"] >= 0 for each in speeds.values())
    images = work_of(model, 10).images
    found["answer"] = {
        "reference": {"make": 0, "image": 2.0},
        "onnxruntime": {"make": 1.0 * images, "image": 0.5},
        "torch": {"make": 0.1 * images, "image": 1.0},
    }
    remember("engines", found["asked"]["question"], found["answer"])

    engine = choose(AUTO, model, work_of(model, 10), some)
    assert engine.said == ("torch (done first of 3 that were measured here: 2.0 times the network itself)")
    less = choose(AUTO, model, work_of(model, 2), some)  # too little to measure, but it is known
    assert less.name == "torch"
    other = choose(AUTO, model, Work(images, 16, SIZE), some)  # at another number of images at once
    assert other.name in speeds
    assert len([*kept.parent.iterdir()]) == 2

    monkeypatch.setenv("PATH", "")
    without = choose(AUTO, model, work_of(model, 13), some)  # which would pay for kernels of our own
    assert without.said.endswith(" times the network itself; not native: no C++ compiler found)")


@pytest.mark.parametrize("engine", ["reference", "torch", "onnxruntime"])
def test_the_engine_that_is_asked_for_answers(model: ResNet, engine: str) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")

    chosen = choose(engine, model, Work(1, 1, SIZE), some)

    assert chosen.said == f"{engine} (as asked)"
    with torch.inference_mode():
        expected, found = model(some()), chosen.logits(some())
    assert torch.allclose(found, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))
    assert torch.equal(found, expected) == (engine == "reference")


def test_what_there_is_not_is_told(model: ResNet, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"engine is one of auto, .*got 'onxruntime'"):
        choose("onxruntime", model, Work(1, 1, SIZE), nothing)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UsageError, match="the engine native cannot be used here: no C\\+\\+ compiler"):
        choose("native", model, Work(1, 1, SIZE), nothing)


def test_an_engine_that_answers_otherwise_is_left_and_it_is_said() -> None:
    """A mean of 1e4, which a bias makes: the network rounds what it adds to it, the folded one does not."""
    model = lively("resnet8", classes=3, width=0.25, conv_bias=True)
    with torch.no_grad():
        model.conv1.bias += 1e4  # type: ignore[operator,union-attr]
        model.bn1.running_mean += 1e4  # type: ignore[operator,union-attr]

    engine = choose("torch", model, Work(1, 1, SIZE), some)

    assert (engine.name, engine.answers) == ("reference", None)
    assert engine.said.startswith("reference (torch was left: a logit differs by ")


def test_who_is_asked_on_and_on_gets_an_engine_when_that_pays(model: ResNet) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    engines, expected = Growing(), model(some()).detach()

    first = engines.logits(model, some())
    assert (engines.name, torch.equal(first, expected)) == ("reference", True)
    engines.expect(work_of(model, 2).images)
    second = engines.logits(model, some())
    assert engines.name == "onnxruntime"
    assert torch.allclose(second, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))

    assert (copy.deepcopy(engines).name, copy.deepcopy(engines)._asked) == ("", AUTO)
    alone = Growing()
    alone._answered = work_of(model, 2).images  # as if it had answered so many
    alone.logits(model, some())
    assert alone.name == "onnxruntime"


def test_a_network_whose_numbers_were_changed_answers_with_the_new_ones(model: ResNet) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    engines = Growing()
    engines.expect(work_of(model, 2).images)
    before = engines.logits(model, some())

    with torch.no_grad():
        model.get_parameter("conv1.weight").mul_(3)
    found, expected = engines.logits(model, some()), model(some()).detach()

    assert engines.name == "onnxruntime"
    assert torch.allclose(found, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))
    assert not torch.allclose(found, before, rtol=0, atol=1e-2 * float(expected.abs().max()))
    other = lively("resnet8", classes=3, width=0.25, conv_bias=True)
    assert torch.allclose(engines.logits(other, some()), other(some()), rtol=1e-4, atol=1e-4)


def test_when_the_best_engine_fails_the_next_best_answers(
    model: ResNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")

    def failing(name: str, *given: object) -> Answers:
        if name == "onnxruntime":
            raise RuntimeError("not built for this")
        return make(name, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(choosing, "make", failing)

    engine = choose(AUTO, model, work_of(model, 3), some)

    assert engine.name == "torch" and engine.answers is not None
    assert engine.said.endswith("; onnxruntime failed: RuntimeError: not built for this)")
