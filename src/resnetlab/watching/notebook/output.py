"""Cells of a notebook that are shown anew. IPython is not needed: where it does not run, there is none."""

import sys
from typing import Any, Protocol


class Cell(Protocol):
    """A place whose content can be replaced."""

    def show(self, html: str, plain: str) -> None:
        """Show this, as markup or where that cannot be as plain text, in place of what was shown."""


def in_notebook() -> bool:
    """Return whether this process is the kernel of a notebook: not of a terminal, nor a script."""
    get_shell = getattr(sys.modules.get("IPython"), "get_ipython", None)
    shell = get_shell() if get_shell is not None else None
    return getattr(shell, "kernel", None) is not None


class OutputCell:
    """A part of the output of the cell that is being run; that it cannot be shown costs the run nothing."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._is_lost = False

    def show(self, html: str, plain: str) -> None:
        """Show it."""
        if self._is_lost:
            return
        content = {"text/html": html, "text/plain": plain}
        try:
            if self._handle is None:
                from IPython.display import display

                self._handle = display(content, raw=True, display_id=True)
            else:
                self._handle.update(content, raw=True)
        except Exception:  # of the front end, its connection or its version: whatever it is
            self._is_lost = True
