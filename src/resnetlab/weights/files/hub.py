"""Published weights by name or URL as local files: the hub's, torchvision's, Keras', TensorFlow's."""

import hashlib
import importlib
import importlib.util
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from resnetlab.base.download import RemoteFile, cache_folder, fetch, is_offline, refuse_changed
from resnetlab.base.paths import meant_path, user_path
from resnetlab.base.reading.plain import read_json
from resnetlab.errors import CheckpointError, UsageError
from resnetlab.weights.facts import published
from resnetlab.weights.facts.published import PublishedFile

BY_HAND = "Or download it elsewhere and give the file (`resnetlab import FILE`, --weights FILE)."


def download(url: str, *, digest: str = "", algorithm: str = "sha256") -> Path:
    """Return the file of a URL in the cache, downloading it first if it is not there.

    What an interrupted download has brought stays as NAME.part if `digest` is given: the next call
    goes on there.

    Args:
        url: https, or http of this machine.
        digest: The first digits of the content's hash; without it the length alone is checked.
        algorithm: Of the hash, as hashlib names it.

    Raises:
        UsageError: If the server has no such file, or the scheme is another.
        CheckpointError: If there is no network (or RESNETLAB_OFFLINE=1), the server refuses, the
            connection ends early, or the hash is wrong (nothing is kept then), also of what is in the cache.
        WriteError: If the cache cannot be written.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" and (parts.scheme, parts.hostname) not in (
        ("http", "127.0.0.1"),
        ("http", "localhost"),
    ):
        raise UsageError(f"{url}: weights are downloaded by https alone", hint=BY_HAND)
    remote = RemoteFile(
        url, digest=digest, algorithm=algorithm, by_hand=BY_HAND, absent=UsageError, failed=CheckpointError
    )
    own = digest or hashlib.sha256(url.encode()).hexdigest()[:16]  # without a hash, each URL has its own
    target = fetch(remote, cache_folder() / "weights" / own)
    try:
        refuse_changed(remote, target)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{target}: cannot be read: {error}", hint=BY_HAND) from error
    return target


SUFFIXES = (
    ".safetensors", ".pth", ".pt", ".th", ".bin", ".tar", ".tar.gz", ".tgz", ".ckpt", ".h5", ".hdf5",
    ".keras", ".pkl", ".pickle", ".npz", ".pt2", ".model", ".weights", ".pyth", ".t7",
)  # fmt: skip
"""What the addresses of weight files end in; what a file is, its content tells."""
# A name that ends so is a file's here, missing or not: no repository's.
_ENDINGS = (*SUFFIXES, ".onnx", ".index")
_FILES = ("model.safetensors", "pytorch_model.bin")
_CONFIG = "config.json"
_PROCESSOR = "preprocessor_config.json"  # transformers' of the images
_FORMS = (
    "hf:OWNER/NAME (as hf:timm/resnet50.a1_in1k), torchvision:resnet50, keras:resnet50,"
    " tensorflow:resnet50v1, or https://...pth"
)
_REPOSITORY = re.compile(r"hf:([\w.-]+/[\w.-]+)(?:@(\S+))?")
_URL = re.compile(r"https?:/")
# What names a network somewhere and, unlike a missing file, has nothing of a path in it.
_BARE = re.compile(r"(?:[A-Za-z][\w-]*/)?[A-Za-z][\w-]*(?:\.[\w-]+)*")


def locate(name: str | Path) -> Path:
    """Return the local file or folder of weights, downloading what is published under a name.

    Args:
        name: A path, returned as it is with the home directory put in; hf:OWNER/NAME[@REVISION] of
            the Hugging Face hub; a name of `published.PUBLISHERS`, as torchvision:resnet50.IMAGENET1K_V1,
            keras:resnet50v2 or tensorflow:resnet50v1; or an https URL of a weight file, with #sha256=HEX
            or #md5=HEX behind it if it shall have that hash.

    Raises:
        UsageError: If nothing is published under the name, it is in no form that is known, or an
            extra is missing.
        CheckpointError: If the server cannot be asked or refuses and the cache has no copy, or what
            it sends is damaged.
        WriteError: If the cache cannot be written.
    """
    text = name.as_posix() if isinstance(name, Path) else name
    if text.startswith("hf:"):
        return _hub_folder(text)
    if text.startswith(published.PREFIXES):
        return _downloaded(published.find(text))
    if _URL.match(text):
        return _from_url(re.sub(r":/+", "://", text, count=1))  # a Path has made one slash of two
    path = user_path(name)
    if _BARE.fullmatch(text) and not text.lower().endswith(_ENDINGS) and not _is_there(path):
        raise UsageError(
            f"there is no file {text}",
            hint=meant_path(path)
            or f"If published weights are meant: {_guess(text)}. Their forms: {_FORMS}.",
        )
    return path


def _is_there(path: Path) -> bool:
    """Return whether it is a file, a folder, or the prefix of a TensorFlow checkpoint."""
    return os.path.exists(path) or os.path.exists(f"{path}.index")  # False too for what can be no path


_ANY = ("imagenet", "imagenet1k_v1", "imagenet1k_v2", "default", "pretrained", "true", "auto")
"""What stands for a network's published weights in other programs."""


def _guess(text: str) -> str:
    if text.casefold() in _ANY:
        return published.default_weights()[0]
    if "/" in text:
        return f"hf:{text}"
    return published.meant_by(text) or f"hf:timm/{text}"


def _downloaded(file: PublishedFile) -> Path:
    return download(file.url, digest=file.digest, algorithm=file.algorithm)


_HASHED = re.compile(r"(md5|sha1|sha256|sha512)=([0-9a-fA-F]+)")


def _from_url(url: str) -> Path:
    url, _, fragment = url.partition("#")
    try:
        file = urlsplit(url).path.rpartition("/")[2]
    except ValueError as error:
        raise UsageError(f"{url}: {error}") from error
    hashed = _HASHED.fullmatch(fragment)
    if fragment and hashed is None:
        raise UsageError(
            f"{url}#{fragment}: what stands behind # is no hash", hint="Its form is #sha256=HEX or #md5=HEX."
        )
    if hashed is not None and len(hashed[2]) != (digits := 2 * hashlib.new(hashed[1]).digest_size):
        raise UsageError(
            f"{url}#{fragment}: a whole {hashed[1]} has {digits} digits, not {len(hashed[2])}",
            hint=f"`{hashed[1]}sum FILE` gives it.",
        )
    if not file.lower().endswith(SUFFIXES):
        place = next((words for sign, words in _PAGES if re.match(sign, url)), "")
        ends = f"Its path ends in {', '.join(SUFFIXES)}."
        raise UsageError(f"{url} is no address of a weight file", hint=f"{place} {ends}".strip())
    found = published.at(_file_of(url))
    if hashed is not None:
        found = PublishedFile(found.url, hashed[2].lower(), hashed[1])
    return _downloaded(found)


_BY_BROWSER = "download it in a browser and give the file."
# Addresses of pages about files, with what to do.
_PAGES = (
    (r"https://(drive|docs)\.google\.com/", f"It is a page of Google Drive: {_BY_BROWSER}"),
    (r"https://(1drv\.ms|onedrive\.live\.com|pan\.baidu\.com|mega\.nz)/", f"It is a page: {_BY_BROWSER}"),
    (r"https://huggingface\.co/[^/]+/[^/]+/?(tree/.*)?$", "A repository is named hf:OWNER/NAME."),
)
# Pages that show a file, and where the file itself is; and http, where https gives the same.
_SHOWN = (
    (r"(https://(?:huggingface\.co|hf\.co)/[^/]+/[^/]+)/blob/", r"\1/resolve/"),
    (r"(https://github\.com/[^/]+/[^/]+)/blob/", r"\1/raw/"),
    (r"(https://www\.dropbox\.com/.*[?&])dl=0", r"\1dl=1"),
    (re.escape(published.TENSORFLOW_HTTP), published.TENSORFLOW_FOLDER),
)


def _file_of(url: str) -> str:
    """Return the address of the file itself, where it is that of a page which shows the file."""
    for page, file in _SHOWN:
        url = re.sub(page, file, url)
    return url


def _hub_folder(text: str) -> Path:
    """Return the folder in the hub's cache that holds the repository's weights and configuration."""
    match = _REPOSITORY.fullmatch(text)
    if match is None:
        raise UsageError(
            f"{text!r} names no repository of the Hugging Face hub",
            hint="Its form is hf:OWNER/NAME or hf:OWNER/NAME@REVISION, as hf:timm/resnet50.a1_in1k.",
        )
    repository = _Repository(text, match[1], match[2])
    for name in _FILES:
        if (weights := repository.get(name, match[2])) is not None:
            config = repository.get(_CONFIG, weights.parent.name)  # of the same commit
            if config is not None and not _has_preprocessing(config):
                repository.get(_PROCESSOR, weights.parent.name)
            return weights.parent
    raise UsageError(f"{text} holds neither {' nor '.join(_FILES)}", hint=BY_HAND)


def _has_preprocessing(config: Path) -> bool:
    """Return whether the configuration holds the preprocessing, as timm's does and transformers' does not."""
    try:
        return "pretrained_cfg" in read_json(config, is_ours=False)
    except (OSError, ValueError, TypeError):
        return True


@dataclass(frozen=True)
class _Repository:
    """A repository of the hub, whose files come one at a time."""

    text: str
    """As the user named it."""
    name: str
    revision: str | None

    def get(self, file: str, revision: str | None) -> Path | None:
        """Return the file in the hub's cache, or None if the repository does not have it."""
        hub, errors = self._library("huggingface_hub"), self._library("huggingface_hub.errors")
        where = self._library("huggingface_hub.constants").ENDPOINT
        try:
            path = hub.hf_hub_download(
                self.name, file, revision=revision, library_name="resnetlab", local_files_only=is_offline()
            )
        except errors.LocalEntryNotFoundError as error:
            known = hub.try_to_load_from_cache(self.name, file, revision=revision)
            if known is hub._CACHED_NO_EXIST:
                return None
            raise self._unreachable(file, error) from error
        except errors.EntryNotFoundError:
            return None
        except errors.RevisionNotFoundError as error:
            told = f"{self.name} at {where} has no revision {self.revision}"
            raise UsageError(told, hint="Its page lists branches and tags; without @ it is main.") from error
        except errors.GatedRepoError as error:
            raise CheckpointError(
                f"{self.text}: its owner gives {where}/{self.name} only to users who accepted its terms",
                hint=f"Accept them on its page and set HF_TOKEN to a token of yours. {BY_HAND}",
            ) from error
        except errors.RepositoryNotFoundError as error:
            raise UsageError(
                f"there is no repository {self.name} at {where}, or it is private",
                hint=f"For a private one set HF_TOKEN to a token that may read it. {BY_HAND}",
            ) from error
        except errors.HFValidationError as error:
            raise UsageError(f"{self.text}: {_first_line(error)}") from error
        except Exception as error:  # of the library's HTTP client, another one in each major version
            raise CheckpointError(
                f"{self.text}: {file} could not be downloaded from {where}: {_first_line(error)}",
                hint=BY_HAND,
            ) from error
        return Path(path)

    def _library(self, module: str) -> Any:
        if importlib.util.find_spec("huggingface_hub") is None:
            raise UsageError(
                f"{self.text} needs the package huggingface_hub, which is not installed",
                hint=f'Install it: pip install "resnetlab[hub]". {BY_HAND}',
            )
        return importlib.import_module(module)

    def _unreachable(self, file: str, error: Exception) -> CheckpointError:
        constants = self._library("huggingface_hub.constants")
        where = constants.ENDPOINT
        if is_offline() or constants.HF_HUB_OFFLINE:
            switch = "RESNETLAB_OFFLINE" if is_offline() else "HF_HUB_OFFLINE"
            return CheckpointError(
                f"{self.text}: {file} is not in the hub's cache, and {switch} forbids to download it",
                hint=f"Unset {switch} to download it from {where}. {BY_HAND}",
            )
        return CheckpointError(
            f"{self.text}: {where} gives no {file}, and the hub's cache has none:"
            f" {_first_line(error.__cause__ or error)}",
            hint=f"Run the same command again when it is to be reached. {BY_HAND}",
        )


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
