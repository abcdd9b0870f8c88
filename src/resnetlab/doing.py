"""What was being done when a file could not be written."""

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
