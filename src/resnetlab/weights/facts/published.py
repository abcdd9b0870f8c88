"""The weights that others publish under names of their own: addresses, hashes, how each wants its images."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePath

from resnetlab.base.units import format_bytes
from resnetlab.errors import UsageError, nearest
from resnetlab.network.catalog import model_spec
from resnetlab.weights.facts.imagenet_classes import imagenet_classes
from resnetlab.weights.facts.naming import InputFacts
from resnetlab.weights.facts.preprocessings import TORCHVISION


@dataclass(frozen=True)
class PublishedFile:
    """A file at an address."""

    url: str
    digest: str = ""
    """The first hexadecimal digits of its hash; empty if its publisher names none."""
    algorithm: str = "sha256"
    """Of the hash, as hashlib names it."""


TORCHVISION_FOLDER = "https://download.pytorch.org/models"
# torchvision 0.13 and later, models/resnet.py, "url"; the first version of each network is V1. The
# names end in the first eight digits of the SHA-256.
_TORCHVISION = {
    "resnet18": ("resnet18-f37072fd.pth",),
    "resnet34": ("resnet34-b627a593.pth",),
    "resnet50": ("resnet50-0676ba61.pth", "resnet50-11ad3fa6.pth"),
    "resnet101": ("resnet101-63fe2227.pth", "resnet101-cd907fc2.pth"),
    "resnet152": ("resnet152-394f9c45.pth", "resnet152-f82ba261.pth"),
    "wide_resnet50_2": ("wide_resnet50_2-95faca4d.pth", "wide_resnet50_2-9ba9bcbe.pth"),
    "wide_resnet101_2": ("wide_resnet101_2-32ee1156.pth", "wide_resnet101_2-d733dc28.pth"),
}
_HASH = re.compile(r"-([0-9a-f]{8})\.pth")
# The presets of the two versions there, transforms=partial(ImageClassification, ...).
_FACTS = {1: TORCHVISION, 2: replace(TORCHVISION, resize=232)}
_VERSIONS = {file: version for files in _TORCHVISION.values() for version, file in enumerate(files, 1)}

# keras-team/keras, keras/src/applications/resnet.py (commit 040582f): BASE_WEIGHTS_PATH and WEIGHTS_HASHES,
# MD5 of the whole file and of the one without classifier; resnet_v2.py has the same function.
KERAS_FOLDER = "https://storage.googleapis.com/tensorflow/keras-applications/resnet"
_KERAS_FILE = "_weights_tf_dim_ordering_tf_kernels"
_KERAS = {
    "resnet50": ("2cb95161c43110f7111970584f804107", "4d473c1dd8becc155b73f8504c6f6626"),
    "resnet101": ("f1aeb4b969a6efcfb50fad2f0c20cfc5", "88cf7a10940856eca736dc7b7e228a21"),
    "resnet152": ("100835be76be38e30d865e96f2aaae62", "ee4c566cf9a93f14d82f913c2dc6dd0c"),
    "resnet50v2": ("3ef43a0b657b3be2300d5770ece849e0", "fac2f116257151a9d068a22e544a4917"),
    "resnet101v2": ("6343647c601c52e1368623803854d971", "c0ed64b8031c3730f411d2eb4eea35b5"),
    "resnet152v2": ("a49b44d1979771252814e80f8ec446f9", "ed17cf2e0169df9d443503ef94b23b33"),
}

# tensorflow/models, official/r1/resnet/README.md, "Pre-trained model". Its addresses begin with
# http://download.tensorflow.org, a bucket that Google's storage gives by https too. No hashes are published.
TENSORFLOW_HTTP = "http://download.tensorflow.org/"
TENSORFLOW_FOLDER = "https://storage.googleapis.com/download.tensorflow.org/"
_TENSORFLOW = {
    "resnet50v1": "resnet_imagenet_v1_fp32_20181001",
    "resnet50v1.fp16": "resnet_imagenet_v1_fp16_20181001",
    "resnet50v2": "resnet_imagenet_v2_fp32_20181001",
    "resnet50v2.fp16": "resnet_imagenet_v2_fp16_20180928",
}


def _torchvision_files() -> dict[str, PublishedFile]:
    """Each network by its name, which is its newest version as torchvision's DEFAULT, and by its versions."""
    found = {}
    for network, files in _TORCHVISION.items():
        made = [_torchvision_file(file) for file in files]
        found[network] = made[-1]
        found |= {f"{network}.IMAGENET1K_V{version}": file for version, file in enumerate(made, 1)}
    return found


def _torchvision_file(name: str) -> PublishedFile:
    match = _HASH.search(name)
    return PublishedFile(f"{TORCHVISION_FOLDER}/{name}", match[1] if match else "")


def _keras_files() -> dict[str, PublishedFile]:
    found = {}
    for network, digests in _KERAS.items():
        for name, tail, digest in ((network, "", digests[0]), (f"{network}.notop", "_notop", digests[1])):
            found[name] = PublishedFile(f"{KERAS_FOLDER}/{network}{_KERAS_FILE}{tail}.h5", digest, "md5")
    return found


def _tensorflow_files() -> dict[str, PublishedFile]:
    folder = f"{TENSORFLOW_FOLDER}models/official/20181001_resnet/checkpoints"
    return {name: PublishedFile(f"{folder}/{file}.tar.gz") for name, file in _TENSORFLOW.items()}


PUBLISHERS: Mapping[str, Mapping[str, PublishedFile]] = {
    "torchvision": _torchvision_files(),
    "keras": _keras_files(),
    "tensorflow": _tensorflow_files(),
}
"""By whose it is and by its name there: keras:resnet50 is PUBLISHERS["keras"]["resnet50"]."""
PREFIXES = tuple(f"{publisher}:" for publisher in PUBLISHERS)


def find(text: str) -> PublishedFile:
    """Return the file of a published name, as torchvision:resnet50.IMAGENET1K_V1 or keras:resnet50v2.

    Raises:
        UsageError: If its publisher has none of that name for a network of ours.
    """
    publisher, _, name = text.partition(":")
    names = PUBLISHERS[publisher]
    if name not in names:
        raise UsageError(
            f"{publisher} publishes no weights {name!r} for a network of ours",
            hint=f"{nearest(name, names)} There are: {', '.join(names)}.".strip(),
        )
    return names[name]


def default_weights(network: str = "resnet18") -> tuple[str, str]:
    """Return the published name of the weights that are taken where none are named, and what they are.

    Raises:
        UsageError: If none are known.
    """
    if network not in _TORCHVISION:
        raise UsageError(
            f"which weights? Of {network} none are published under a name that is known here",
            hint="--weights names them: a run, a file, hf:OWNER/NAME. torchvision has "
            f"{', '.join(_TORCHVISION)}.",
        )
    file = PUBLISHERS["torchvision"][network]
    size = format_bytes(4 * model_spec(network).num_parameters)
    return f"torchvision:{network}", (
        f"weights, as none are named: torchvision:{network}, trained on ImageNet-1k: {file.url} ({size}, its "
        f"SHA-256 begins with {file.digest}; BSD 3-Clause, with ImageNet's terms). Offline: --weights "
        f"{file.url.rpartition('/')[2]}, fetched elsewhere"
    )


def at(url: str) -> PublishedFile:
    """Return the file at an address, with its hash if a publisher names it.

    torchvision's is known by its name, which has the hash in it, wherever it lies.
    """
    name = url.rpartition("/")[2]
    if name in _VERSIONS:
        return replace(_torchvision_file(name), url=url)
    known = (file for files in PUBLISHERS.values() for file in files.values())
    return next((file for file in known if file.url == url), PublishedFile(url))


def meant_by(name: str) -> str:
    """Return the published name that ends so, or an empty string."""
    return next((f"{publisher}:{name}" for publisher, names in PUBLISHERS.items() if name in names), "")


def classes_by_name(path: PurePath, classes: int) -> tuple[tuple[str, ...], str]:
    """Return the names of the classes of a file that is published under this name, and a remark; else none.

    All that torchvision and Keras publish with a classifier learnt ImageNet's 1,000 classes in their order.
    """
    is_published = path.name in _VERSIONS or path.name.endswith(f"{_KERAS_FILE}.h5")
    if not is_published or classes != len(names := tuple(imagenet_classes())):
        return (), ""
    return names, "by its name, the file is of ImageNet's 1,000 classes: their names are WordNet's numbers"


def told_by_name(path: PurePath, given: InputFacts) -> tuple[InputFacts, str]:
    """Return `given`, or what the name of a file published by torchvision says, and a remark."""
    version = _VERSIONS.get(path.name)
    if version is None or given != TORCHVISION:
        return given, ""
    return _FACTS[version], f"by its name, the file is torchvision's IMAGENET1K_V{version}"
