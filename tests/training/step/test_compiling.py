"""When a run is compiled, and what it does where compiling fails."""

import functools
import platform
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from resnetlab.errors import UsageError
from resnetlab.runs.directory import RunDirectory
from resnetlab.runs.journal import read_rows
from resnetlab.training.recorded.deciding import decide_compile
from resnetlab.training.step import device as device_module
from resnetlab.training.step.device import Compiler, obstacle_to_compile
from tests.kit.small_runs import CPU, final_bytes, small_plan, train_whole

CUDA = torch.device("cuda")
HOUR_OF_TWO_CORES = 3e14  # floating-point operations: it pays from half of it


def test_on_a_cpu_a_run_is_compiled_from_half_an_hour_on() -> None:
    if obstacle_to_compile(CPU):
        pytest.skip("no C++ compiler here")
    decided = [
        decide_compile("auto", operations=share * HOUR_OF_TWO_CORES, device=CPU)[0] == "on"
        for share in (0.45, 0.55)
    ]

    assert decided == [False, True]


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A machine with a CUDA device of this capability, with or without Triton and a C compiler."""

    def describe(capability: tuple[int, int], *, triton: bool = True, cc: bool = True, hip: str = "") -> None:
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
        monkeypatch.setattr(torch.version, "hip", hip or None)
        finding = SimpleNamespace(find_spec=lambda name: "it" if triton else None)
        monkeypatch.setattr(device_module.importlib, "util", finding)
        monkeypatch.setattr(device_module.shutil, "which", lambda name: "/bin/cc" if cc else None)
        monkeypatch.delenv("CC", raising=False)

    return describe


@pytest.mark.parametrize(
    ("capability", "machine", "obstacle"),
    [
        ((9, 0), {}, ""),
        ((7, 0), {}, ""),
        ((6, 1), {}, "capability 7.0, this one has 6.1"),
        ((6, 1), {"hip": "6.4"}, ""),
        ((9, 0), {"triton": False}, "Triton is not installed"),
        ((9, 0), {"cc": False}, "no C compiler"),
    ],
)
def test_on_cuda_triton_the_cards_capability_and_a_c_compiler_are_asked_for(
    capability: tuple[int, int], machine: dict[str, Any], obstacle: str, card: Callable[..., None]
) -> None:
    card(capability, **machine)

    assert (obstacle in obstacle_to_compile(CUDA)) and bool(obstacle) == bool(obstacle_to_compile(CUDA))
    assert decide_compile("auto", operations=1e20, device=CUDA)[0] == ("off" if obstacle else "on")
    if obstacle:
        with pytest.raises(UsageError, match=obstacle):
            decide_compile("on", operations=1e20, device=CUDA)


def test_which_instructions_torchs_code_can_use_is_tried_once_on_a_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if obstacle_to_compile(CPU):
        pytest.skip("no C++ compiler here")
    from torch._inductor import config, cpu_vec_isa

    monkeypatch.setenv("RESNETLAB_CACHE", str(tmp_path))
    monkeypatch.setattr(config.cpp, "vec_isa_ok", None)
    Compiler(CPU)
    found = config.cpp.vec_isa_ok
    monkeypatch.setattr(config.cpp, "vec_isa_ok", None)
    monkeypatch.setattr(cpu_vec_isa, "valid_vec_isa_list", lambda: pytest.fail("tried again"))
    Compiler(CPU)

    has_all = len(cpu_vec_isa.x86_isa_checker()) > 0 and platform.machine() == "x86_64"
    assert config.cpp.vec_isa_ok is found is (True if has_all else None)


def fails_forward(graph: Any, inputs: Any) -> Any:
    raise RuntimeError("no such instruction")


def fails_backward() -> Any:
    from torch._dynamo.backends.common import aot_autograd
    from torch._inductor.exc import InductorError

    def fail(graph: Any, inputs: Any) -> Any:
        raise InductorError(RuntimeError("no such instruction"), None)

    return aot_autograd(fw_compiler=lambda graph, inputs: graph.forward, bw_compiler=fail)


@pytest.mark.parametrize("fails", ["forward", "backward"])
@pytest.mark.parametrize(("capture", "shards"), [("off", 1), ("on", 1), ("off", 2)])
def test_where_compiling_fails_the_run_goes_on_without_it_to_the_bit_and_says_so(
    fails: str, capture: str, shards: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if obstacle_to_compile(CPU):
        pytest.skip("no C++ compiler here")
    torch._dynamo.reset()
    backend = fails_forward if fails == "forward" else fails_backward()
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=backend))
    values: dict[str, Any] = {
        "length": "9st",
        "capture": capture,
        "shards": shards,
        "sam": 0.05,
        "accumulate": 1,
    }

    run = train_whole(tmp_path / "run", small_plan(compile="on", **values))

    plain = train_whole(tmp_path / "plain", small_plan(compile="off", **values))
    assert final_bytes(run, 9) == final_bytes(plain, 9)
    assert [row["problem"] for row in events(run)] == [events(run)[0]["problem"]]
    assert "torch.compile failed, and the run goes on without it" in events(run)[0]["problem"]
    assert events(plain) == []


def events(run: RunDirectory) -> list[dict[str, Any]]:
    return [row for row in read_rows(run.events) if row["event"] == "not compiled"]
