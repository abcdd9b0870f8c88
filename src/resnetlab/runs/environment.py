"""What a run ran on: versions, processor, threads, source revision. Imports no torch."""

import functools
import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from resnetlab.base.machine.memory import total_memory

NEEDED = {
    "torch": "torch",
    "numpy": "numpy",
    "PIL": "pillow",
    "safetensors": "safetensors",
    "sklearn": "scikit-learn",
    "matplotlib": "matplotlib",
    "rich": "rich",
}
"""What every run needs: the module, and what its package is called."""

OF_A_VERB = {"shtab": "shtab"}
"""The same for what comes along, though no run needs it."""

EXTRAS = {
    "tensorboard": "tensorboard",
    "datasets": "data",
    "pyarrow": "data",
    "h5py": "keras",
    "onnx": "export",
    "onnxruntime": "export",
    "openvino": "openvino",
    "huggingface_hub": "hub",
    "pillow_heif": "heif",
    "trackio": "trackio",
    "wandb": "wandb",
    "mlflow": "mlflow",
    "yaml": "yaml",
}
"""What a part of the toolkit needs: the module, and the extra of ours that brings it."""

PACKAGES = ("resnetlab", *NEEDED.values(), "tensorboard")
"""Whose versions are recorded and told."""

MOST_THREADS = 1024
"""More than any processor of today has cores; torch dies of a million."""

BINDING = ("cpu", "torch", "threads", "device")
"""What must be equal for a resumed run to repeat the uninterrupted one bit for bit."""

_SOURCES = {".py", ".cpp", ".h"}


def cpu_name() -> str:
    """Return the processor's model name."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def how_to_install(module: str) -> str:
    """Return the command that installs a module of others that ours use; "" for all else."""
    if module in EXTRAS:
        return f'pip install "resnetlab[{EXTRAS[module]}]"'
    package = (NEEDED | OF_A_VERB).get(module)
    return f"pip install {package}" if package else ""


@functools.cache
def version(package: str) -> str:
    """Return an installed package's version, or "" if it is not installed; looked up once in a process."""
    import importlib.metadata  # takes 10 ms, which the help of `doctor` does without

    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def describe_environment(
    *,
    device: str,
    threads: int,
    gpus: int = 0,
    optimizer_of: str = "",
    kernels: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the record that goes into environment.json.

    Args:
        device: What is computed on.
        threads: Of the CPU, of this process.
        gpus: How many the machine has, used or not.
        optimizer_of: The package that the optimizer is of, if it is not ours.
        kernels: From what, by what and for which instructions kernels are compiled here.
    """
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "memory": total_memory(),
        "gpus": gpus,
        "threads": threads,
        "device": device,
        "command": sys.argv,
        "revision": _git_revision(),
        "source": source_digest(),
        "torch": version("torch"),
        "packages": {name: version(name) for name in PACKAGES},
        **({"optimizer_of": optimizer_of} if optimizer_of else {}),
        **({"kernels": dict(kernels)} if kernels else {}),
    }


@functools.cache
def _git_revision() -> str:
    """Return the commit of the source tree, with "+" if it was changed; "" outside a checkout.

    It is asked for once in a process, which goes on with the modules that it has imported.
    """
    here = Path(__file__).resolve()
    commands = (
        ["git", "ls-files", "--error-unmatch", here.name],  # a venv inside another project's checkout
        ["git", "describe", "--always", "--dirty=+", "--exclude=*", "--abbrev=12"],
    )
    answer = ""
    for command in commands:
        try:
            done = subprocess.run(
                command, cwd=here.parent, capture_output=True, text=True, timeout=5, check=True
            )
        except (OSError, subprocess.SubprocessError):
            return ""
        answer = done.stdout.strip()
    return answer


@functools.cache
def source_digest() -> str:
    """Return the SHA-256 of this package's source files, those of its kernels with them."""
    package, digest = Path(__file__).resolve().parents[1], hashlib.sha256()
    for path in sorted(path for path in package.rglob("*") if path.suffix in _SOURCES):
        digest.update(f"{path.relative_to(package).as_posix()}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def software() -> dict[str, str]:
    """Return what must be the same in all processes that compute something together."""
    return {
        "resnetlab": f"{version('resnetlab')}, source files {source_digest()[:12]}",
        "torch": version("torch"),
        "Python": platform.python_version(),
    }


def recorded_threads(environment: dict[str, Any]) -> int:
    """Return how many threads a run was computed with; 0 if its record says no number that can be."""
    threads = environment.get("threads")
    if not isinstance(threads, int) or isinstance(threads, bool):
        return 0
    return threads if 0 < threads <= MOST_THREADS else 0


def binding_differences(
    then: dict[str, Any], now: dict[str, Any], packages: Collection[str] = ()
) -> list[str]:
    """Return a sentence for each difference that may end bit-for-bit equality.

    Args:
        then: The record of the run's beginning.
        now: That of this process. What it has no kernels of need not be as it was.
        packages: Whose versions matter too.
    """
    pairs = [(name, then.get(name), now.get(name)) for name in BINDING]
    pairs += [(name, _version_in(then, name), _version_in(now, name)) for name in packages]
    told = [f"{name} was {before}, is {after}" for name, before, after in pairs if before != after]
    return [*told, *_kernel_differences(then, now)]


def _kernel_differences(then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    before, after = then.get("kernels"), now.get("kernels", {})
    if not isinstance(before, dict):  # by an earlier version, whose kernels were those of its sources
        if not after or (before is None and then.get("source") == now.get("source")):
            return []
        own = ", ".join(f"{name} {value}" for name, value in after.items())
        return [f"the kernels were {before or 'not recorded'}, are of {own}"]
    return [
        f"the kernels' {name}: {before.get(name, 'not recorded')} before, {value} now"
        f"{' (RESNETLAB_AMX=off does without)' if value == 'AMX' else ''}"
        for name, value in after.items()
        if before.get(name) != value
    ]


def _version_in(record: dict[str, Any], package: str) -> str:
    found = record.get("packages")
    return str(found.get(package, "")) if isinstance(found, dict) else ""
