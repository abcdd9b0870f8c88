"""Bytes from outside come through one gate, `base/reading`: nothing else opens a file to read it."""

import ast
import re
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "resnetlab"
OPENS = {
    "open", "os.open", "gzip.open", "tarfile.open", "zipfile.ZipFile", "np.load", "h5py.File",
    "safetensors.safe_open", "safetensors.torch.load_file", "library.loadmat",
}  # fmt: skip
"""What opens a file by its path, beside the methods `read_bytes`, `read_text` and `open` of paths."""

OURS, LOOKED_AT = "our own, of this package or process", "looked at before, by base/reading"
KERNEL, PLAIN = "the kernel's", "a plain file, for a few bytes or compared"
ALLOWED = {
    "cli/output.py": KERNEL,
    "data/archives/array_files.py": LOOKED_AT,
    "data/archives/container.py": LOOKED_AT,
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


_MAY_OPEN = re.compile(
    r"\bopen\(|read_(bytes|text)\(|ZipFile\(|np\.load\(|File\(|loadmat\(|safe_open\(|load_file\("
)


def _opens(path: Path) -> bool:
    text = path.read_text()
    for node in ast.walk(ast.parse(text)) if _MAY_OPEN.search(text) else ():
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("read_bytes", "read_text"):
            return True
        modes = [each.value for each in node.args[:2] if isinstance(each, ast.Constant)]
        if isinstance(node.func, ast.Attribute) and node.func.attr == "open" and {"r", "rb"} & {*modes}:
            return True
        if ast.unparse(node.func) in OPENS and not {"w", "xb", "a"} & {*modes}:
            return True
    return False


def test_only_base_reading_opens_a_file_to_read_but_for_a_reason() -> None:
    found = {str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.py") if _opens(path)}

    assert {name for name in found if not name.startswith("base/")} == {*ALLOWED}
