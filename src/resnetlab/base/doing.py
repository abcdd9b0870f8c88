"""What is being done: in the errors of files that could not be written, and while another is waited for."""

import contextlib
from collections.abc import Iterator

from resnetlab.errors import WriteError


@contextlib.contextmanager
def doing(action: str, hint: str) -> Iterator[None]:
    """Begin the WriteErrors of what is done inside with the action, and give them its hint.

    Args:
        action: What is done, e.g. "packing into copy".
        hint: What to do once there is room, or the right to write.
    """
    try:
        yield
    except WriteError as error:
        raise WriteError(f"{action}: {error.args[0]}", hint=hint) from error


def remark(text: str) -> None:
    """Say on standard error why nothing goes on."""
    from rich.console import Console

    Console(stderr=True).print(f"resnetlab: {text}", markup=False, highlight=False, soft_wrap=True)
