"""Compiles what lies in sources/, once for each kind, and loads it."""

import contextlib
import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from resnetlab.base.download import cache_folder
from resnetlab.base.files import make_directory, try_writing, write_file
from resnetlab.base.reading.plain import read_plain
from resnetlab.base.switches import is_on
from resnetlab.errors import ResnetlabError

SOURCES = Path(__file__).parent / "sources"
FLAGS = (
    "-O3", "-march=native", "-fno-math-errno", "-ffp-contract=fast", "-fno-trapping-math",
    "-fno-predictive-commoning", "-std=c++17", "-shared", "-fPIC", "-pthread",
)  # fmt: skip

NO_COMPILER = "no C++ compiler found"

_TILES = 'void tiles() { asm("tilezero %tmm0; tdpbf16ps %tmm0, %tmm1, %tmm2; tilerelease"); }'
"""A source that an assembler without AMX refuses, as GNU's before 2.36 does, whatever the compiler knows."""


@dataclass(frozen=True)
class ConvolutionKind:
    """What is compiled into a convolution."""

    IC: int
    OC: int
    KERNEL: int
    STRIDE: int
    HEIGHT: int
    WIDTH: int
    OUT_HEIGHT: int
    OUT_WIDTH: int
    PAD_LOW: int
    BACKWARD: int
    MAPS_ARE_BF16: int


def cache_directory() -> Path:
    """Return where compiled kinds are kept."""
    return cache_folder() / "native"


@functools.cache
def _machine() -> frozenset[str]:
    """Return what the compiler defines for this processor, one definition each; empty without a compiler."""
    if not (compiler := compiler_here()):
        return frozenset()
    command = [compiler, "-march=native", "-dM", "-E", "-x", "c++", os.devnull]
    told = subprocess.run(command, capture_output=True, text=True).stdout
    return frozenset(line.removeprefix("#define ") for line in told.splitlines())


def lanes() -> int:
    """Return how many float32 numbers a register holds."""
    return 16 if "__AVX512F__ 1" in _machine() else 8


def suits_processor() -> bool:
    """Whether the processor is one of those that the sources are written for."""
    return "__AVX2__ 1" in _machine() and "__FMA__ 1" in _machine()


def multiplies_bf16() -> bool:
    """Whether the processor multiplies bfloat16 numbers."""
    return "__AVX512BF16__ 1" in _machine()


def multiplies_tiles() -> bool:
    """Whether kernels in bfloat16 multiply AMX's tiles: by Linux' leave, and not with RESNETLAB_AMX=off.

    Raises:
        UsageError: If RESNETLAB_AMX says neither on nor off.
    """
    is_wanted = is_on("RESNETLAB_AMX", default=True)
    has_tiles = {"__AMX_TILE__ 1", "__AMX_BF16__ 1"} <= _machine() and multiplies_bf16()
    return is_wanted and has_tiles and _may_use_tiles() and _assembles_tiles()


@functools.cache
def _may_use_tiles() -> bool:
    """Ask Linux for the room in which it keeps the tiles of this process' threads (arch_prctl(2))."""
    arch_prctl, request, tiles = 158, 0x1023, 18
    if not (sys.platform == "linux" and platform.machine() == "x86_64"):
        return False
    return int(ctypes.CDLL(None).syscall(arch_prctl, request, tiles)) == 0


@functools.cache
def _assembles_tiles() -> bool:
    """Whether the compiler's assembler knows AMX; tried until it does, and then kept beside the kernels."""
    key = hashlib.sha256(repr((_TILES, compiler_here(), sorted(_machine()))).encode()).hexdigest()
    path = _place() / f"tiles-{key[:24]}.o"
    if path.exists():
        return True
    with tempfile.TemporaryDirectory() as place:
        made = Path(place) / path.name
        command = [compiler_here(), "-march=native", "-x", "c++", "-c", "-", "-o", str(made)]
        if subprocess.run(command, input=_TILES, capture_output=True, text=True).returncode:
            return False
        write_file(path, made.read_bytes())
    return True


def instructions(*, is_half: bool) -> str:
    """Return by which of the processor's instructions kernels multiply."""
    if is_half:
        return "AMX" if multiplies_tiles() else "AVX512-BF16"
    return "AVX-512" if lanes() == 16 else "AVX2"


def obstacle() -> str:
    """Return why kernels of our own cannot be built here, whatever the network, or ""."""
    if not compiler_here():
        return NO_COMPILER
    return "" if suits_processor() else "the processor has neither AVX-512 nor AVX2"


def compiler_here() -> str:
    """Return the C++ compiler of this machine, or ""."""
    return next((found for name in ("g++", "c++", "clang++") if (found := shutil.which(name))), "")


def compiler_told() -> str:
    """Return the name and version of the C++ compiler of this machine, or ""."""
    if not (compiler := compiler_here()):
        return ""
    told = next((each.split('"')[1] for each in _machine() if each.startswith("__VERSION__ ")), "")
    return f"{Path(compiler).name} {told}".strip()


def kernels_digest() -> str:
    """Return the SHA-256 of all on which what is measured of kernels depends beside the processor.

    That is what they are made from, by which compiler, and whether they multiply tiles.
    """
    told = f"{_sources_digest()} {compiler_told()} {multiplies_tiles()}"
    return hashlib.sha256(told.encode()).hexdigest()


def made_of(*, is_half: bool) -> dict[str, str]:
    """Return on what the bytes depend that kernels compute: their sources, the compiler, the instructions."""
    return {
        "sources": _sources_digest()[:12],
        "compiler": compiler_told(),
        "instructions": instructions(is_half=is_half),
    }


@functools.cache
def _sources_digest() -> str:
    paths = sorted([*SOURCES.iterdir(), *SOURCES.parent.rglob("*.py")])
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths if path.is_file())).hexdigest()


def library(source: str, **values: int) -> ctypes.CDLL:
    """Compile a source with these definitions if it is not kept already, and load it.

    What is kept and does not load (damaged, or where nothing may be executed) is made anew for this process.

    Raises:
        ResnetlabError: If the compiler fails, or what it makes does not load.
    """
    is_half = bool(values.get("MAPS_ARE_BF16"))
    return _library(source, **values, MATRIX_TILES=int(is_half and multiplies_tiles()))


@functools.cache
def _library(source: str, **values: int) -> ctypes.CDLL:
    texts = "".join(path.read_text() for path in sorted(SOURCES.iterdir()))
    definitions = [f"-D{name}={value}" for name, value in values.items()]
    key = hashlib.sha256(repr((source, texts, definitions, FLAGS, sorted(_machine()))).encode()).hexdigest()
    name = f"{Path(source).stem}-{key[:24]}"
    path = _kept(name) or _compile(source, definitions, _place(), name)
    try:
        return ctypes.CDLL(str(path))
    except OSError:
        path = _compile(source, definitions, Path(_of_own().name), name)
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise ResnetlabError(
            f"a kernel of this program was built and does not load: {error}",
            hint="TMPDIR=DIR names a directory whose files may be executed; --set compile=off does without.",
        ) from error


def _kept(name: str) -> Path | None:
    """Return a library that was compiled before and is as it was made: one that is not would be run."""
    for path in _place().glob(f"{name}-*.so"):
        with contextlib.suppress(OSError, ValueError):
            if path == _named(path.parent, name, read_plain(path)):
                return path
    return None


def _named(folder: Path, name: str, content: bytes) -> Path:
    """Return where a library lies: its name says its content, so that it is whole or not taken."""
    return folder / f"{name}-{hashlib.sha256(content).hexdigest()[:24]}.so"


def _compile(source: str, definitions: list[str], folder: Path, name: str) -> Path:
    with tempfile.TemporaryDirectory() as place:
        made = Path(place) / f"{name}.so"
        command = [compiler_here(), *FLAGS, *definitions, str(SOURCES / source), "-o", str(made)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            what = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr[:200])
            raise ResnetlabError(
                f"{command[0]} could not build a kernel of this program: {what}",
                hint="--set compile=off does without.",
            )
        content = made.read_bytes()
        path = _named(folder, name, content)
        write_file(path, content)
    return path


def _place() -> Path:
    """Return a directory to keep compiled kinds in: the cache, or one of this process alone."""
    directory = cache_directory()
    return directory if _can_keep(directory) else Path(_of_own().name)


@functools.cache
def _can_keep(directory: Path) -> bool:
    try:
        make_directory(directory)
        try_writing(directory / "kernel.so")
    except ResnetlabError:
        return False
    return True


@functools.cache
def _of_own() -> "tempfile.TemporaryDirectory[str]":
    """Return a directory of this process alone, which goes with it."""
    return tempfile.TemporaryDirectory(prefix="resnetlab-native-")


def convolution(kind: ConvolutionKind) -> ctypes.CDLL:
    """Return the functions of a kind of convolution."""
    found = library("convolution.cpp", **asdict(kind))
    for size in (found.forward_room, found.backward_room, found.packed_size):
        size.restype = ctypes.c_size_t
    found.way.restype = ctypes.c_char_p
    return found


def build_all(kinds: Iterable[ConvolutionKind]) -> None:
    """Compile what is missing, as many at once as there are processors."""
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        list(pool.map(convolution, {*kinds}))
