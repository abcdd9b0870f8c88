"""Variables of the environment that switch something on or off."""

import os

from resnetlab.errors import UsageError

_ON, _OFF = ("1", "on", "yes", "true"), ("0", "off", "no", "false")


def is_on(name: str, *, default: bool) -> bool:
    """Return whether a variable of the environment says "on"; the default where it is empty or not there.

    Raises:
        UsageError: If it says neither on nor off.
    """
    said = os.environ.get(name, "").strip().lower()
    if said not in ("", *_ON, *_OFF):
        raise UsageError(
            f"{name} is {os.environ[name]!r} in the environment, neither on nor off",
            hint=f"On is {', '.join(_ON)}; off is {', '.join(_OFF)}. Empty is {'on' if default else 'off'}.",
        )
    return said in _ON if said else default
