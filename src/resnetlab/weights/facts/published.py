"""The weights that torchvision publishes: their files, and how each wants its images."""

import re
from dataclasses import replace
from pathlib import PurePath

from resnetlab.errors import UsageError, nearest
from resnetlab.weights.facts.naming import InputFacts
from resnetlab.weights.facts.preprocessings import TORCHVISION

FOLDER = "https://download.pytorch.org/models"
# torchvision 0.13 and later, models/resnet.py, "url"; the first version of each network is V1.
FILES: dict[str, tuple[str, ...]] = {
    "resnet18": ("resnet18-f37072fd.pth",),
    "resnet34": ("resnet34-b627a593.pth",),
    "resnet50": ("resnet50-0676ba61.pth", "resnet50-11ad3fa6.pth"),
    "resnet101": ("resnet101-63fe2227.pth", "resnet101-cd907fc2.pth"),
    "resnet152": ("resnet152-394f9c45.pth", "resnet152-f82ba261.pth"),
    "wide_resnet50_2": ("wide_resnet50_2-95faca4d.pth", "wide_resnet50_2-9ba9bcbe.pth"),
    "wide_resnet101_2": ("wide_resnet101_2-32ee1156.pth", "wide_resnet101_2-d733dc28.pth"),
}
# The presets of the two versions there, transforms=partial(ImageClassification, ...).
_FACTS = {1: TORCHVISION, 2: replace(TORCHVISION, resize=232)}
_HASH = re.compile(r"-([0-9a-f]{8})\.pth")
_VERSIONS = {file: version for files in FILES.values() for version, file in enumerate(files, 1)}


def names() -> list[str]:
    """Return every name that `url_of` takes, each network without and with its versions."""
    numbered = (
        (f"{network}.IMAGENET1K_V{version}" for version in range(1, len(files) + 1))
        for network, files in FILES.items()
    )
    return [*FILES, *(name for versions in numbered for name in versions)]


def url_of(name: str) -> str:
    """Return the address of torchvision's weights of that name, as resnet50 or resnet50.IMAGENET1K_V1.

    Without a version it is the network's newest, as torchvision's DEFAULT.

    Raises:
        UsageError: If torchvision publishes none of that name for a network of ours.
    """
    network, _, version = name.partition(".")
    if name not in names():
        told = f"torchvision publishes no weights {name!r} for a network of ours"
        guess = nearest(name, names())
        raise UsageError(told, hint=f"{guess} There are: {', '.join(names())}.".strip())
    files = FILES[network]
    return f"{FOLDER}/{files[int(version[-1]) - 1] if version else files[-1]}"


def sha256_start(file_name: str) -> str:
    """Return the first eight digits of the SHA-256 of a published file; empty if it is none."""
    match = _HASH.search(file_name) if file_name in _VERSIONS else None
    return match[1] if match else ""


def told_by_name(path: PurePath, given: InputFacts) -> tuple[InputFacts, str]:
    """Return `given`, or what the name of a file published by torchvision says, and a remark."""
    version = _VERSIONS.get(path.name)
    if version is None or given != TORCHVISION:
        return given, ""
    return _FACTS[version], f"by its name, the file is torchvision's IMAGENET1K_V{version}"
