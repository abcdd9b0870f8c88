"""What the house promises: who does without torch, who writes, how large rooms, files and functions may be.

And where tests lie, and that none is built on another.

Who may import whom is said in pyproject.toml and checked by import-linter (`make check`).
"""

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

from resnetlab.cli.parser import build_parser

SOURCE = Path(__file__).parents[2] / "src" / "resnetlab"
TESTS = Path(__file__).parents[1]
OF_NO_ROOM = {"benchmarks", "docs", "faults", "fuzz", "kit", "old_files", "parity", "promises"}
"""Folders of tests that belong to no room of the source: `kit` is what the others are made with."""
LISTS = {Path("cli/verbs")}
VERBS = [*(SOURCE / "cli" / "verbs").glob("[a-z]*.py")]
"""Rooms that are lists of equal things, as many as there are."""

WITHOUT_TORCH = (
    "resnetlab", "resnetlab.network.catalog", "resnetlab.recipe.named", "resnetlab.recipe.settings",
    "resnetlab.recipe.schedule",
    "resnetlab.runs.directory", "resnetlab.runs.journal", "resnetlab.runs.manifest", "resnetlab.runs.records",
    "resnetlab.cli.parser",
    "resnetlab.show.tables.text", "resnetlab.show.tables.differences", "resnetlab.show.picture",
    "resnetlab.parallel.world", "resnetlab.parallel.launch", "resnetlab.parallel.streams",
    "resnetlab.data.open", "resnetlab.reporting", "resnetlab.reporting.contents", "resnetlab.reporting.page",
    "resnetlab.reporting.pictures.curves", "resnetlab.reporting.pictures.confusion",
    "resnetlab.reporting.text_chart", "resnetlab.reporting.in_lines", "resnetlab.watching.columns",
    "resnetlab.forecast.machines", "resnetlab.forecast.memory", "resnetlab.forecast.words",
    "resnetlab.reporting.comparing", "resnetlab.evaluation.answers", "resnetlab.explaining.page",
    "resnetlab.board.server", "resnetlab.board.text", "resnetlab.reproducing.described",
    "resnetlab.reporting.records.collecting", "resnetlab.reproducing.results.page", "resnetlab.auditing",
    "resnetlab.verifying",
)  # fmt: skip


def test_they_import_without_torch() -> None:
    """One after another, in one process; the first that brings it is named."""
    code = "\n".join(
        f"import {module}\nassert 'torch' not in sys.modules, {module!r}" for module in WITHOUT_TORCH
    )

    done = subprocess.run([sys.executable, "-c", f"import sys\n{code}"], text=True, capture_output=True)

    assert done.returncode == 0, done.stderr


HEAVY = {"torch", "numpy", "PIL", "matplotlib", "rich", "sklearn", "safetensors", "urllib.request"}


def test_no_verb_imports_what_is_heavy_for_its_help() -> None:
    verbs = ", ".join(f"resnetlab.cli.verbs.{path.stem}" for path in VERBS)

    assert HEAVY & _imported(f"import {verbs}") == set()


def test_help_imports_next_to_nothing() -> None:
    found = _imported("from resnetlab.cli import main", "main(['--help'])")
    others = {"importlib.metadata", "importlib.resources", "tempfile", "subprocess", "hashlib", "logging"}

    assert (HEAVY | others) & found == set()
    assert {name.split(".")[1] for name in found if name.startswith("resnetlab.")} == {
        "base", "cli", "errors", "former", "network", "register", "show", "watching",
    }  # fmt: skip
    assert {name for name in found if name.startswith("resnetlab.watching.")} == {
        "resnetlab.watching.fitting", "resnetlab.watching.streams",
    }  # fmt: skip
    assert {name for name in found if name.startswith("resnetlab.show.")} == set()
    assert {
        name for name in found if name.startswith(("resnetlab.network.catalog", "resnetlab.cli.verbs"))
    } == set()


def _imported(*lines: str) -> set[str]:
    """Return the names of the modules that a process has that runs these lines."""
    code = "\n".join(["import atexit, sys", "atexit.register(lambda: print(*sys.modules))", *lines])
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return {*done.stdout.split("\n")[-2].split()}


def test_a_verb_is_a_file() -> None:
    assert {*build_parser().known_verbs()} == {path.stem.rstrip("_").replace("_", "-") for path in VERBS}


def test_only_files_py_opens_a_path_for_writing() -> None:
    writers = {
        "write_text",
        "write_bytes",
        "mkdir",
        "unlink",
        "rename",
        "replace",
        "rmtree",
        "savez",
        "rmdir",
    }
    allowed = {"base/files.py"}
    found = []
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            modes = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
            writes = name == "open" and any(set(m) & set("wax+") and len(m) <= 3 for m in modes)
            is_ours = name in writers - {"replace"} or writes
            if is_ours and str(path.relative_to(SOURCE)) not in allowed:
                found.append(f"{path.relative_to(SOURCE)}:{node.lineno} {name}")

    assert found == []


def test_no_room_is_crowded() -> None:
    modules = Counter(
        path.parent.relative_to(SOURCE) for path in SOURCE.rglob("*.py") if path.stem[:2] != "__"
    )
    crowded = {str(room): count for room, count in modules.items() if count > 12 and room not in LISTS}

    assert crowded == {}


def test_every_room_says_what_it_is() -> None:
    rooms = [path for path in SOURCE.rglob("*") if path.is_dir() and any(path.glob("*.py"))]

    assert [
        room for room in rooms if not ast.get_docstring(ast.parse((room / "__init__.py").read_text()))
    ] == []


def test_files_and_functions_stay_small() -> None:
    sources = [path for ending in ("*.py", "*.h", "*.cpp") for path in SOURCE.rglob(ending)]
    sizes = {str(path.relative_to(SOURCE)): path.read_text().count("\n") for path in sources}
    lengths = {
        f"{path.relative_to(SOURCE)}:{node.name}": node.end_lineno - node.lineno
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.end_lineno
    }

    assert {name for name, lines in sizes.items() if lines > 450} == set()
    assert {name for name, lines in lengths.items() if lines > 60} == set()


def test_no_public_name_is_hidden_by_a_module_of_the_same_name() -> None:
    import resnetlab

    modules = {path.stem for path in SOURCE.glob("*.py")} | {path.name for path in SOURCE.iterdir()}
    assert modules & set(resnetlab.__all__) == {"register"}  # which is the module


def test_tests_lie_in_the_rooms_that_they_test() -> None:
    folders = {path.parent.relative_to(TESTS) for path in TESTS.rglob("test_*.py")}

    assert [
        str(folder)
        for folder in sorted(folders)
        if not {*folder.parts[:1]} & OF_NO_ROOM
        and not (folder.parts and (SOURCE / folder / "__init__.py").exists())
    ] == []


def test_no_test_imports_from_another_test() -> None:
    """What several of them use lies in the kit, or is a fixture of a conftest."""
    tests = {
        ".".join(path.relative_to(TESTS.parent).with_suffix("").parts) for path in TESTS.rglob("test_*.py")
    }
    found = []
    for path in sorted(TESTS.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = (
                [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            )
            if isinstance(node, ast.ImportFrom):
                names = [str(node.module), *(f"{node.module}.{name}" for name in names)]
            found += [f"{path.relative_to(TESTS)}:{node.lineno} {name}" for name in names if name in tests]

    assert found == []
