"""The header of a card, in YAML as the Hugging Face hub reads it. What is not known is left out, not guessed.

Source: huggingface_hub, src/huggingface_hub/repocard_data.py, and the hub's docs/hub/model-cards.md. There is
no licence among what we know: whoever passes the network on says it.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from resnetlab.base.lettering import drawable

_ON_THE_HUB = {
    "cifar10": "uoft-cs/cifar10",
    "cifar100": "uoft-cs/cifar100",
    "mnist": "ylecun/mnist",
    "fashion-mnist": "zalando-datasets/fashion_mnist",
    "svhn": "ufldl-stanford/svhn",
}
"""Datasets that are published there as we have them by name."""
_REPOSITORY = re.compile(r"\bhf:([\w.-]+/[\w.-]+)")


def header(
    *,
    name: str,
    library: str,
    tags: Sequence[str],
    data: str = "",
    first_weights: str = "",
    accuracy: tuple[int, int] | None = None,
) -> str:
    """Return the header with its two lines of dashes.

    Args:
        name: The network's.
        library: That loads it.
        tags: Beside "resnet" and "image-classification".
        data: The name of what it was trained on; empty if that is not known.
        first_weights: What it was fine-tuned from, as a user named it.
        accuracy: How many test images were right, and of how many.
    """
    known = _ON_THE_HUB.get(data, "")
    base = _REPOSITORY.search(first_weights)
    fields: dict[str, Any] = {
        "library_name": library,
        "pipeline_tag": "image-classification",
        "tags": [*dict.fromkeys(["image-classification", "resnet", *tags])],
        **({"datasets": [known]} if known else {}),
        **({"metrics": ["accuracy"]} if accuracy else {}),
        **({"base_model": base[1]} if base else {}),
    }
    if accuracy and data:
        correct, seen = accuracy
        found = {
            "task": {"type": "image-classification"},
            "dataset": {"name": data, "type": known or data, "split": "test"},
            "metrics": [{"type": "accuracy", "value": round(correct / seen, 6)}],
        }
        fields["model-index"] = [{"name": name, "results": [found]}]
    return "\n".join(["---", *_yaml(fields), "---", ""])


def _yaml(value: Mapping[str, Any], indent: str = "") -> list[str]:
    """Return lines of YAML; every text stands in quotes, as JSON has them, which YAML reads alike."""
    lines: list[str] = []
    for key, each in value.items():
        if isinstance(each, Mapping):
            lines += [f"{indent}{key}:", *_yaml(each, indent + "  ")]
        elif isinstance(each, list):
            lines.append(f"{indent}{key}:")
            for item in each:
                first, *others = _yaml(item, indent + "  ") if isinstance(item, Mapping) else [_quoted(item)]
                lines += [f"{indent}- {first.strip()}", *others]
        else:
            lines.append(f"{indent}{key}: {_quoted(each)}")
    return lines


def _quoted(value: object) -> str:
    if not isinstance(value, str):
        return json.dumps(value)
    is_plain = re.fullmatch(r"[A-Za-z][A-Za-z_/-]*", value) and value.lower() not in _WORDS_OF_YAML
    return value if is_plain else json.dumps(drawable(value), ensure_ascii=False)


_WORDS_OF_YAML = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}
