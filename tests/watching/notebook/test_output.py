"""Where no notebook runs, nothing of one is imported, and nothing comes of what cannot be shown."""

import subprocess
import sys

import pytest

from resnetlab.watching.notebook.output import OutputCell


def test_a_script_is_no_notebook_and_does_not_find_that_out_by_importing_one() -> None:
    code = (
        "import sys; from resnetlab.watching.notebook.output import in_notebook;"
        "assert not in_notebook(); sys.exit(bool({'IPython', 'torch'} & {*sys.modules}))"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_cannot_be_shown_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "IPython.display", None)  # as where it is not installed
    cell = OutputCell()

    cell.show("<p>one</p>", "one")
    cell.show("<p>two</p>", "two")
