"""The reproductions by name, each a published table or figure. No torch."""

from resnetlab.errors import UsageError, nearest
from resnetlab.reproducing.named import on_imagenet, originals, papers
from resnetlab.reproducing.reproduction import Reproduction

REPRODUCTIONS: dict[str, Reproduction] = {
    each.name: each for module in (papers, on_imagenet, originals) for each in module.REPRODUCTIONS
}


def reproduction(name: str) -> Reproduction:
    """Return the reproduction of that name.

    Raises:
        UsageError: If there is none, with the nearest names.
    """
    if name in REPRODUCTIONS:
        return REPRODUCTIONS[name]
    raise UsageError(
        f"no reproduction is called {name!r}",
        hint=f"{nearest(name, REPRODUCTIONS)} `resnetlab list reproductions` shows all.".strip(),
    )
