"""The notebook of docs/ is run as a reader runs it, in a kernel of its own (make test-notebook)."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).parents[2] / "docs" / "first_look.ipynb"


def test_it_is_kept_without_outputs_and_without_a_machines_paths() -> None:
    text = NOTEBOOK.read_text(encoding="utf-8")

    for cell in json.loads(text)["cells"]:
        assert not cell.get("outputs") and cell.get("execution_count") is None
    assert not re.search(r"/(home|root|tmp|work|Users)/", text)


@pytest.mark.notebook
def test_every_cell_runs_and_shows_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    place = tmp_path / "place"
    place.mkdir()

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(place)}}
    )
    client.execute()

    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [text for cell in cells for text in said(cell)] == []
    assert [cell.source for cell in cells[1:] if not looks(cell)] == []
    (training,) = (cell for cell in cells if "resnetlab.train(" in cell.source)
    above, below = (output["data"]["text/html"] for output in training.outputs)
    assert "finished: " in above and "runs/first/report.html" in above
    assert below.count("<tr") == 1 + 4 and 'src="data:image/svg+xml' in below
    assert (place / "runs" / "first" / "report.html").exists()
    assert len(nbformat.writes(notebook)) < 2**20


def looks(cell: Any) -> list[str]:
    """The kinds of what a cell shows as more than plain text."""
    kinds = {kind for output in cell.outputs for kind in output.get("data", {})}
    return sorted(kinds & {"text/html", "image/svg+xml", "image/png"}) or ["text/plain"] * (
        "summary" in cell.source
    )


def said(cell: Any) -> list[str]:
    """What a cell printed, as warnings do."""
    return [output["text"] for output in cell.outputs if output.output_type == "stream"]
