"""Where published datasets are to be had: addresses, mirrors, hashes."""

from dataclasses import dataclass

from resnetlab.base.download import RemoteFile
from resnetlab.errors import DataError


def archive_at(url: str, md5: str, most_bytes: int = 0) -> RemoteFile:
    """Return a dataset's file, to be had from a URL or put into the cache by hand."""
    name = url.rpartition("/")[2]
    by_hand = f"Or put {name} (md5 {md5}) into {{folder}} yourself."
    return RemoteFile(url, md5, "md5", by_hand, absent=DataError, failed=DataError, most_bytes=most_bytes)


_SITE = "https://www.cs.toronto.edu/~kriz"
_MIRROR = "https://dataset.bj.bcebos.com/cifar"
"""Of PaddlePaddle (python/paddle/vision/datasets/cifar.py), which has the author's files in python layout."""

DOWNLOADS = {  # used if they are there; else tried in turn, the author's first, and first what is no pickle
    "cifar10": (
        archive_at(f"{_SITE}/cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530"),
        archive_at(f"{_SITE}/cifar-10-python.tar.gz", "c58f30108f718f92721af3b95e74349a"),
        archive_at(f"{_MIRROR}/cifar-10-python.tar.gz", "c58f30108f718f92721af3b95e74349a"),
    ),
    "cifar100": (
        archive_at(f"{_SITE}/cifar-100-binary.tar.gz", "03b5dce01913d631647c71ecec9e9cb8"),
        archive_at(f"{_SITE}/cifar-100-python.tar.gz", "eb9058c3a382ffc7106e4002c42a8d85"),
        archive_at(f"{_MIRROR}/cifar-100-python.tar.gz", "eb9058c3a382ffc7106e4002c42a8d85"),
    ),
}


@dataclass(frozen=True)
class Collection:
    """A dataset of several files, or of one archive, which lie in a folder of their own."""

    files: tuple[tuple[RemoteFile, ...], ...]
    """Each with the places at which it is tried in turn."""

    opens: str = ""
    """What of the folder is opened; "" for all of it."""

    members: tuple[str, ...] = ()
    """The files that are taken out of the one archive, into the folder that is opened."""

    folder: str = ""
    """In the cache; "" is the dataset's name. Several datasets may be of one archive."""


def _idx(folders: tuple[str, ...], digests: tuple[str, str, str, str]) -> Collection:
    """Return a collection in MNIST's four files, whose MD5 are in this order."""
    names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    return Collection(
        tuple(
            tuple(archive_at(f"{folder}/{name}-ubyte.gz", digest) for folder in folders)
            for name, digest in zip(names, digests, strict=True)
        )
    )


def _imagenette(size: str, digest: str) -> Collection:
    name = f"imagenette2-{size}.tgz"
    return Collection(
        ((archive_at(f"https://s3.amazonaws.com/fast-ai-imageclas/{name}", digest),),), opens=name
    )


def _emnist(split: str) -> tuple[str, Collection]:
    """Return one of EMNIST's six divisions, all of which lie in one archive, and its name."""
    files = ("train-images-idx3", "train-labels-idx1", "test-images-idx3", "test-labels-idx1")
    members = (f"emnist-{split}-mapping.txt", *(f"emnist-{split}-{name}-ubyte.gz" for name in files))
    places = tuple(archive_at(f"{site}/EMNIST/gzip.zip", _EMNIST_MD5) for site in _EMNIST_SITES)
    return f"emnist-{split}", Collection((places,), opens=split, members=members, folder="emnist")


_EMNIST_SITES = ("https://biometrics.nist.gov/cs_links", "https://www.itl.nist.gov/iaui/vip/cs_links")
_EMNIST_MD5 = "58c8d27c78d21e728a6bc7b3cc06412e"
_STL = (
    "train_X.bin", "train_y.bin", "test_X.bin", "test_y.bin", "class_names.txt", "fold_indices.txt",
)  # fmt: skip
_STANFORD = "http://cs231n.stanford.edu"
_SVHN = "http://ufldl.stanford.edu/housenumbers"
# Addresses and hashes are those of torchvision 0.22, datasets/mnist.py (EMNIST's second place is of an
# earlier one), svhn.py, stl10.py, imagenette.py; Tiny-ImageNet's those of Avalanche,
# benchmarks/datasets/tiny_imagenet.
COLLECTIONS = {
    "mnist": _idx(
        (
            "https://ossci-datasets.s3.amazonaws.com/mnist",
            "https://storage.googleapis.com/cvdf-datasets/mnist",
            "http://yann.lecun.com/exdb/mnist",
        ),
        (
            "f68b3c2dcbeaaa9fbdd348bbdeb94873", "d53e105ee54ea40749a09fcbcd1e9432",
            "9fb629c4189551a2d022fa330f9573f3", "ec29112dd5afa0611ce80d1b7f02629c",
        ),
    ),
    "fashion-mnist": _idx(
        (
            "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
        ),
        (
            "8d4fb7e6c68d591d4c3dfef9ec88bf0d", "25c81989df183df01b3e8a0aad5dffbe",
            "bef4ecab320f06d8554ea6380940ec79", "bb300cfdad3c16e7a12a480ee83cd310",
        ),
    ),
    "kmnist": _idx(
        ("http://codh.rois.ac.jp/kmnist/dataset/kmnist",),
        (
            "bdb82020997e1d708af4cf47b453dcf7", "e144d726b3acfaa3e44228e80efcd344",
            "5c965bf0a639b31b8f53240b1b52f4d7", "7320c461ea6c1c855c0b718fb2a4b134",
        ),
    ),
    "svhn": Collection(
        (
            (archive_at(f"{_SVHN}/train_32x32.mat", "e26dedcc434d2e4c54c9b2d4a06d8373"),),
            (archive_at(f"{_SVHN}/test_32x32.mat", "eb5a983be6a315427106f1b164d9cef3"),),
        )
    ),
    "imagenette-160": _imagenette("160", "e793b78cc4c9e9a4ccc0c1155377a412"),
    "imagenette-320": _imagenette("320", "3df6f0d01a2c9592104656642f5e78a3"),
    **dict(map(_emnist, ("balanced", "letters", "digits", "mnist", "bymerge", "byclass"))),
    "stl10": Collection(
        ((archive_at("http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",
                     "91f7769df0f17e558f3565bffb0c7dfb", 2**32),),),
        opens="stl10_binary", members=_STL,
    ),
    "tiny-imagenet-200": Collection(
        ((archive_at(f"{_STANFORD}/tiny-imagenet-200.zip", "90528d7ca1a48142e341f4ef8d21d0de"),),),
        opens="tiny-imagenet-200.zip",
    ),
}  # fmt: skip
"""By the names under which they are opened."""
