"""Bytes from outside come through one gate, `base/reading`, but for reasons that are listed."""

import ast
import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "resnetlab"
OPENS = {
    "open", "os.open", "io.open", "gzip.open", "bz2.open", "lzma.open", "tarfile.open", "zipfile.ZipFile",
    "h5py.File", "np.load", "np.loadtxt", "np.genfromtxt", "np.fromfile", "np.memmap", "Image.open",
    "torch.load", "safetensors.safe_open", "safetensors.torch.load_file", "library.loadmat",
}  # fmt: skip
"""What opens a file by its path, beside the methods `read_bytes`, `read_text` and `open` of paths."""

OURS, LOOKED_AT = "our own, of this package or process", "looked at before, by base/reading"
KERNEL, PLAIN = "the kernel's", "a plain file, for a few bytes or compared"
ALLOWED = {
    "cli/output.py": KERNEL,
    "data/archives/array_files.py": LOOKED_AT,
    "data/archives/container.py": LOOKED_AT,
    "data/archives/mat.py": OURS,
    "data/archives/mat_process.py": LOOKED_AT,
    "data/archives/taking_out.py": LOOKED_AT,
    "data/archives/tars.py": LOOKED_AT,
    "data/archives/unzipped.py": LOOKED_AT,
    "data/arrays/made.py": "scikit-learn's",
    "data/batches/waiting.py": KERNEL,
    "data/folders/imagenet_devkit.py": LOOKED_AT,
    "data/folders/zipped.py": LOOKED_AT,
    "data/recognise.py": LOOKED_AT,
    "data/records/record_index.py": LOOKED_AT,
    "data/sources/leftovers.py": PLAIN,
    "evaluation/answers.py": LOOKED_AT,
    "native/building.py": OURS,
    "native/threads.py": KERNEL,
    "parallel/launch.py": "torch's, as it is installed",
    "parallel/processes.py": KERNEL,
    "parallel/streams.py": KERNEL,
    "reporting/records/making.py": PLAIN,
    "runs/environment.py": OURS,
    "trained/quantised/graph.py": OURS,
    "training/timing/profile.py": OURS,
    "weights/facts/imagenet_classes.py": OURS,
    "weights/files/keras_file.py": LOOKED_AT,
    "weights/files/pickled.py": OURS,
    "weights/files/reading.py": LOOKED_AT,
    "weights/files/tensorflow/archive.py": LOOKED_AT,
    "weights/files/torch_file.py": LOOKED_AT,
}
"""Which files open others all the same, and why that is no danger."""


_METHODS = ("read_bytes", "read_text")
_WRITES = re.compile(r"[wax]b?\+?")
_MAY_OPEN = re.compile(
    r"open\(|read_(bytes|text)\(|ZipFile\(|np\.(load|genfrom|from|mem)|File\(|loadmat\(|\bload(_file)?\("
)


def _opens(text: str) -> bool:
    """Return whether a program opens a file by its path to read it."""
    calls = ast.walk(ast.parse(text)) if _MAY_OPEN.search(text) else ()
    return any(isinstance(node, ast.Call) and _reads(node) for node in calls)


def _reads(call: ast.Call) -> bool:
    name = ast.unparse(call.func)
    given = [*call.args, *(each.value for each in call.keywords if each.arg == "mode")]
    if any(isinstance(each, ast.Constant) and _WRITES.fullmatch(str(each.value)) for each in given[:3]):
        return False
    if name in OPENS:
        return not (call.args and ast.unparse(call.args[0]).startswith("io.BytesIO("))
    if not isinstance(call.func, ast.Attribute):
        return False
    is_method = not call.args or isinstance(call.args[0], ast.Constant)  # path.open(), not archive.open(name)
    return call.func.attr in _METHODS or (call.func.attr == "open" and is_method)


def test_only_base_reading_opens_a_file_to_read_but_for_a_reason() -> None:
    found = {str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.py") if _opens(path.read_text())}

    assert {name for name in found if not name.startswith("base/")} == {*ALLOWED}


@pytest.mark.parametrize(
    "text",
    ["path.open()", "path.open('rb')", "path.open(mode='r')", "open(path)", "path.read_text()",
     "np.load(path)", "np.fromfile(path, np.uint8)", "np.memmap(path)", "Image.open(path)"],
)  # fmt: skip
def test_every_way_to_open_a_file_is_seen(text: str) -> None:
    assert _opens(f"with {text}:\n    pass")
    assert not _opens("with path.open('w'), open(path, 'xb'), archive.open(member):\n    pass")
    assert not _opens("Image.open(io.BytesIO(b''))")
