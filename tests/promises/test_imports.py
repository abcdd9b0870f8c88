"""Who may import whom, and who does without torch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "resnetlab"

# Each room with its layer; a module imports only from lower layers or its own room.
LAYERS = {
    "errors": 0, "units": 0, "randomness": 0, "timeline": 0, "files": 0, "locks": 0, "plaindata": 0,
    "crc32c": 0, "memory": 0, "doing": 0, "paths": 0,
    "download": 1, "lettering": 1,
    "layers": 1, "plan": 1, "contradictions": 1, "drafting": 1, "spec": 1, "spec_fields": 1,
    "recipe": 1, "settings": 1, "schedule": 1,
    "catalog": 2, "recipes": 2,
    "models": 3, "data": 3, "metrics": 3, "runs": 3, "machine": 3, "drawing": 3,
    "tables": 3, "show": 4,
    "weights": 4, "evaluation": 4, "training": 4, "reporting": 4,
    "artefact": 5, "bench": 5,
    "studies": 5, "predict": 6, "export": 6, "transfer": 6,
    "evaluator": 7, "api": 8,
    "cli": 9, "__init__": 9, "__main__": 10,
}  # fmt: skip
STRANGERS = {
    ("weights", "data"), ("models", "data"), ("models", "recipe"), ("models", "runs"),
    ("data", "models"), ("data", "spec"), ("data", "runs"),
    ("runs", "models"), ("runs", "data"), ("runs", "recipe"), ("runs", "spec"),
}  # fmt: skip
WITHOUT_TORCH = (
    "resnetlab", "resnetlab.network.catalog", "resnetlab.recipe.named", "resnetlab.recipe.settings", "resnetlab.recipe.schedule",
    "resnetlab.runs.directory", "resnetlab.runs.journal", "resnetlab.runs.manifest", "resnetlab.cli.parser",
    "resnetlab.cli.verbs.show", "resnetlab.show.tables.text", "resnetlab.show.tables.differences",
    "resnetlab.show.picture", "resnetlab.data.open", "resnetlab.reporting", "resnetlab.reporting.picture",
    "resnetlab.cli.verbs.report", "resnetlab.cli.verbs.doctor",
)  # fmt: skip


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            found.add(node.module or "")
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name.split(".")[1] for name in found if name.startswith("resnetlab.")}


def offences(path: Path, rooms: set[str]) -> list[str]:
    own = room_of(path)
    if own == "__init__":
        return []
    return [
        f"{path.relative_to(SOURCE)} imports {room}"
        for room in sorted(rooms - {own})
        if (LAYERS[room] > LAYERS[own] or (own, room) in STRANGERS or (LAYERS[room] == LAYERS[own] > 1))
    ]


def test_imports_point_downwards() -> None:
    found = [o for path in SOURCE.rglob("*.py") for o in offences(path, imports_of(path))]

    assert found == []


def test_the_rule_fires() -> None:
    assert offences(SOURCE / "data" / "order.py", {"training", "models", "errors"}) == [
        "data/batches/order.py imports models",
        "data/batches/order.py imports training",
    ]


@pytest.mark.parametrize("module", WITHOUT_TORCH)
def test_it_imports_without_torch(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


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
    allowed = {"files.py"}
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


def test_files_and_functions_stay_small() -> None:
    long_files = {
        str(path.relative_to(SOURCE)): lines
        for path in SOURCE.rglob("*.py")
        if (lines := path.read_text().count("\n")) > 450
    }
    long_functions = {
        f"{path.relative_to(SOURCE)}:{node.name}": node.end_lineno - node.lineno
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.end_lineno and node.end_lineno - node.lineno > 60
    }

    assert (long_files, long_functions) == ({}, {})


def test_no_public_name_is_hidden_by_a_module_of_the_same_name() -> None:
    import resnetlab

    modules = {path.stem for path in SOURCE.glob("*.py")} | {path.name for path in SOURCE.iterdir()}
    assert not modules & set(resnetlab.__all__)
