"""What was imported from within 0.1.0 is found where it lies now."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from resnetlab import former

MOVED = {
    "files": "base.files", "crc32c": "base.wire", "spec": "network.spec",
    "catalog.cifar": "network.catalog.cifar",
    "artefact": "trained.artefact", "recipes": "recipe.named", "data.cifar": "data.arrays.cifar",
    "data.encoded": "data.sources.encoded", "training.steps": "training.step.steps",
    "drawing.svg": "show.drawing.svg", "weights.bundle": "weights.files.tensorflow.bundle",
    "training.interrupt": "training.observer", "predict.explaining": "insights.explaining",
}  # fmt: skip


@pytest.mark.parametrize(("name", "present"), MOVED.items())
def test_a_module_is_found_under_its_former_name(name: str, present: str) -> None:
    sys.modules.pop(f"resnetlab.{name}", None)

    with pytest.warns(DeprecationWarning, match=f"resnetlab.{name} is resnetlab.{present} now"):
        found = importlib.import_module(f"resnetlab.{name}")

    assert found is importlib.import_module(f"resnetlab.{present}")
    assert found.__spec__ is not None
    assert found.__spec__.name == f"resnetlab.{present}"


def test_every_module_of_0_1_0_is_found() -> None:
    """But those of cli, which nobody imports; evaluation and data.batches are rooms now."""
    modules = (Path(__file__).parents[1] / "old_files" / "0.1.0" / "modules.txt").read_text().split()

    assert len(modules) == 233
    assert [name for name in modules if place_of(name) is None] == []


def place_of(name: str) -> object:
    """Return where a module lies, under a name of today or of then."""
    root = Path(former.__file__).parent / name.replace(".", "/")
    if root.is_dir() or root.with_suffix(".py").is_file():
        return root
    present = former.present_name(name)
    return present and importlib.util.find_spec(f"resnetlab.{present}")


def test_it_is_found_from_the_package_and_in_a_new_process() -> None:
    code = "from resnetlab import files; from resnetlab.crc32c import masked_crc32c; print(files.__name__)"

    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert done.stdout == "resnetlab.base.files\n"


@pytest.mark.parametrize("name", ["nonsense", "data.nonsense", "nonsense.cifar"])
def test_what_never_was_is_not_found(name: str) -> None:
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module(f"resnetlab.{name}")
