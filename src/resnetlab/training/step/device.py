"""The device, its threads, and the switches that decide whether its numbers repeat; and back as found."""

import contextlib
import ctypes
import importlib.util
import os
import platform
import shutil
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import torch
from torch import Tensor

from resnetlab.base.machine.compiling import allow_many_kinds
from resnetlab.base.machine.remembered import remembered
from resnetlab.errors import UsageError
from resnetlab.native.building import NO_COMPILER
from resnetlab.recipe import Execution
from resnetlab.runs.environment import MOST_THREADS, cpu_name, version

CUBLAS_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
"""Variable of the environment without which cuBLAS does not repeat its numbers."""

COMPILERS = ("c++", "g++", "clang++", "cl")


def pick_device(name: str | torch.device) -> torch.device:
    """Return the device called auto, cpu, cuda (or cuda:1) or mps.

    Raises:
        UsageError: If this machine or this build of torch has no such device.
    """
    name = str(name)
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    kind, colon, index = name.partition(":")
    is_there = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    count = torch.cuda.device_count() if kind == "cuda" else 1
    if not is_there.get(kind, False) or (colon and not (index.isdigit() and int(index) < count)):
        there = ", ".join(k for k, v in is_there.items() if v)
        several = f" Several together are --devices {name.count(',') + 1}." if "," in name else ""
        raise UsageError(
            f"no device {name!r} here", hint=f"There is {there}; `resnetlab doctor` says why.{several}"
        )
    return torch.device(name)


def apply_switches(device: torch.device, execution: Execution) -> None:
    """Set torch's process-wide switches for a run, inside `leaving_as_found`."""
    if device.type == "cpu":
        torch.set_flush_denormal(True)  # denormals make convolutions up to 100 times slower
        keep_freed_memory()
    if device.type == "cuda":
        # Trying algorithms waits for the whole device, forbidden while a run beside this one is recorded.
        is_alone = threading.current_thread() is threading.main_thread()
        torch.backends.cudnn.benchmark = is_alone and not execution.deterministic
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.backends.cudnn.allow_tf32 = True
    if execution.deterministic:
        os.environ.setdefault(CUBLAS_WORKSPACE, ":4096:8")
    set_deterministic(execution.deterministic)


def set_deterministic(is_on: bool, *, warns: bool = False) -> None:
    """Set whether torch takes deterministic algorithms alone; where it is so already, do nothing.

    torch imports its compiler to be told, which takes 1.3 s.
    """
    found = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    if found != (is_on, warns):
        torch.use_deterministic_algorithms(is_on, warn_only=warns)


def keep_freed_memory() -> bool:
    """Have glibc keep freed memory for the next step; return whether there is one to be asked.

    Every step frees its maps and allocates the same again. Given back to the kernel, they return
    as pages to be faulted in and cleared: 23,000 a step for ResNet-20 at batch 128, a fifth of its
    time (docs/results.md). Source: mallopt(3).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is None:  # another system, or another C library
        return False
    trim_threshold, mmap_max = -1, -4
    return bool(mallopt(mmap_max, 0) and mallopt(trim_threshold, -1))


def threads_on(device: torch.device) -> int:
    """Return how many threads compute on the device: 0 if it is no CPU."""
    return torch.get_num_threads() if device.type == "cpu" else 0


def made_on(device: torch.device) -> dict[str, str]:
    """Return device, processor and version of torch by the names that environment.json has for them."""
    return {"device": describe_device(device), "cpu": cpu_name(), "torch": version("torch")}


def describe_device(device: torch.device) -> str:
    """Return e.g. "cuda: NVIDIA H200" or "cpu"."""
    if device.type == "cuda":
        return f"cuda: {torch.cuda.get_device_name(device)}"
    return device.type


def obstacle_to_compile(device: torch.device) -> str:
    """Return why torch.compile cannot work on the device, or "".

    On the CPU it writes C++; on CUDA Triton, which needs a card of capability 7.0, and a C compiler for
    what starts its kernels (its wheel for Windows brings one).
    """
    if device.type == "cpu" and not any(shutil.which(name) for name in COMPILERS):
        return NO_COMPILER
    if device.type != "cuda":
        return ""
    if importlib.util.find_spec("triton") is None:
        return "Triton is not installed, which torch's wheels for Windows lack"
    capability = torch.cuda.get_device_capability(device)
    if not torch.version.hip and capability < _LEAST_CAPABILITY:
        return f"Triton needs a GPU of capability 7.0, this one has {capability[0]}.{capability[1]}"
    has_c = os.environ.get("CC") or any(shutil.which(name) for name in _C_COMPILERS)
    return "" if has_c or sys.platform == "win32" else "no C compiler found, which Triton needs"


_LEAST_CAPABILITY = (7, 0)
_C_COMPILERS = ("gcc", "clang", "cc")


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function compiled for every kind of its arguments. Equal networks share the code.

    The limit counts for the thread that calls this.
    """
    allow_many_kinds()
    _mark_autocast_cacheable()
    return torch.compile(function, dynamic=False)


def _mark_autocast_cacheable() -> None:
    """Have torch keep the traced backward pass of a step too: 4 s less at the start of every later run.

    It keeps nothing that enters autocast, of which it does not know that it depends on its arguments
    alone; those are constants of the graph that the key is made from (torch 2.13, autograd_cache.py).
    """
    from torch._inductor import config

    names = [f"torch.amp.autocast_mode.{name}_autocast" for name in ("_enter", "_exit")]
    config.unsafe_marked_cacheable_functions |= dict.fromkeys(names, "of its arguments alone")


def _spare_probes() -> None:
    """Tell torch, once it has tried, that this machine's compiler and CPU know all vector instructions.

    It tries each kind in processes of its own, at every start: 1 s. Where one fails, or this torch has
    other names for all that, it goes on doing so.
    """
    from torch._inductor import config, cpp_builder, cpu_vec_isa

    def all_work() -> bool:
        able = cpu_vec_isa.x86_isa_checker()
        wanted = [isa for isa in cpu_vec_isa.supported_vec_isa_list if {*str(isa).split()} <= {*able}]
        return bool(wanted) and cpu_vec_isa.valid_vec_isa_list() == wanted

    with contextlib.suppress(AttributeError, RuntimeError):  # without a compiler: torch says so itself
        if config.cpp.vec_isa_ok is None and platform.machine() in ("x86_64", "AMD64"):
            compiler = cpp_builder.get_cpp_compiler()
            question = {"compiler": compiler, "says": cpp_builder.get_compiler_version_info(compiler)}
            config.cpp.vec_isa_ok = remembered("vector-instructions", question, all_work) or None


Found = TypeVar("Found")


class Compiler:
    """torch.compile for one run, which goes on without it where it fails.

    It fails before what it compiles is run, so that this can be done as it is instead: the run is then
    one without compile from that step on, and says so.

    Attributes:
        tell: Told once that, and why; without it, the error is raised.
    """

    def __init__(self, device: torch.device) -> None:
        """Prepare for a run on the device."""
        self.tell: Callable[[str], None] | None = None
        self._has_failed = False
        if device.type == "cpu":
            _spare_probes()

    def compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function compiled, or as it is once compiling has failed."""
        from torch._dynamo.exc import TorchDynamoException

        fast = compiled(function)

        def run(*arguments: Any) -> Any:
            if not self._has_failed:
                try:
                    return fast(*arguments)
                except TorchDynamoException as error:
                    self._give_up(error)
            return function(*arguments)

        return run

    def first(self, work: Callable[[], Found], changed: Iterable[Tensor]) -> Found:
        """Do what compiles a backward pass, which comes when the forward pass is done already.

        Args:
            work: Returns what it finds; done again from the beginning where compiling fails.
            changed: What a forward pass changes, put back before.
        """
        from torch._dynamo.exc import TorchDynamoException

        kept = [(tensor, tensor.clone()) for tensor in changed]
        try:
            return work()
        except TorchDynamoException as error:
            self._give_up(error)
        with torch.no_grad():
            for tensor, before in kept:
                tensor.copy_(before)
        return work()

    def _give_up(self, error: Exception) -> None:
        if self.tell is None:
            raise error
        if not self._has_failed:
            self._has_failed = True
            cause = f"{type(error).__name__}: {error}".strip().splitlines()[0]
            self.tell(f"torch.compile failed, and the run goes on without it: {cause}")


_LOCK = threading.Lock()
_inside = 0
_found: list[Callable[[], None]] = []
"""How to put back what the first of those inside has found."""


@contextlib.contextmanager
def leaving_as_found() -> Iterator[None]:
    """Have the switches of torch afterwards as they were before; also as a decorator.

    Put back are deterministic algorithms and their workspace of cuBLAS, the precision of matrix products and
    convolutions (TF32), and cuDNN's trying of algorithms, by the last of the threads that are inside; and, in
    each thread, the number of torch's threads and what becomes of denormals.

    Not put back can be that freed memory is kept for what comes next (`keep_freed_memory`), and that threads
    which torch began meanwhile take denormals for zero.
    """
    of_thread = [note() for note in OF_A_THREAD]
    _enter()
    try:
        yield
    finally:
        _leave()
        for put_back in of_thread:
            put_back()


@contextlib.contextmanager
def using_threads(count: int) -> Iterator[None]:
    """Have torch compute with so many threads of the CPU inside; the run's own are those of its beginning.

    Raises:
        UsageError: If there cannot be so many.
    """
    if not 1 <= count <= MOST_THREADS:
        raise UsageError(f"{count} threads: there can be from 1 to {MOST_THREADS:,}")
    with leaving_as_found():
        torch.set_num_threads(count)
        yield


def _enter() -> None:
    global _inside
    with _LOCK:
        if _inside == 0:
            _found[:] = [note() for note in PROCESS_WIDE]
        _inside += 1


def _leave() -> None:
    global _inside
    with _LOCK:
        _inside -= 1
        if _inside == 0:
            for put_back in _found:
                put_back()


def _threads() -> Callable[[], None]:
    found = torch.get_num_threads()

    def put_back() -> None:
        if torch.get_num_threads() != found:
            torch.set_num_threads(found)

    return put_back


def _denormals() -> Callable[[], None]:
    found = flushes_denormals()

    def put_back() -> None:
        torch.set_flush_denormal(found)

    return put_back


def flushes_denormals() -> bool:
    """Return whether this thread takes denormal numbers for zero."""
    smallest = sys.float_info.min
    return smallest / 2 == 0


def _determinism() -> Callable[[], None]:
    is_on, warns = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    return lambda: set_deterministic(is_on, warns=warns)


def _workspace() -> Callable[[], None]:
    found = os.environ.get(CUBLAS_WORKSPACE)

    def put_back() -> None:
        if found is None:
            os.environ.pop(CUBLAS_WORKSPACE, None)
        else:
            os.environ[CUBLAS_WORKSPACE] = found

    return put_back


def _trying() -> Callable[[], None]:
    found = torch.backends.cudnn.benchmark

    def put_back() -> None:
        torch.backends.cudnn.benchmark = found

    return put_back


def _precision() -> Callable[[], None]:
    """Of torch's two ways to say it; the older refuses to answer where both were used."""
    backends: Any = torch.backends
    places = [
        backends.cuda.matmul, backends.cudnn, backends.cudnn.conv, backends.cudnn.rnn, backends.mkldnn.matmul,
    ]  # fmt: skip
    found = [place.fp32_precision for place in places]
    older = _answer(torch.get_float32_matmul_precision)
    older_of_cudnn = _answer(lambda: backends.cudnn.allow_tf32)

    def put_back() -> None:
        if older is not None and _answer(torch.get_float32_matmul_precision) != older:
            torch.set_float32_matmul_precision(older)
        if older_of_cudnn is not None and _answer(lambda: backends.cudnn.allow_tf32) != older_of_cudnn:
            backends.cudnn.allow_tf32 = older_of_cudnn
        for place, precision in zip(places, found, strict=True):
            if place.fp32_precision != precision:
                place.fp32_precision = precision

    return put_back


def _answer(question: Callable[[], Any]) -> Any:
    try:
        return question()
    except RuntimeError:
        return None


OF_A_THREAD = (_threads, _denormals)
PROCESS_WIDE = (_determinism, _workspace, _trying, _precision)
"""Each notes what there is and returns how to put it back."""
