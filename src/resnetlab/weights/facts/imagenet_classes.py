"""The 1,000 classes of ImageNet's challenge of 2012 (ILSVRC), in the order that networks are published with.

imagenet_classes.txt has a class a line: its number in WordNet 3.0, and the words of that set of synonyms
(Princeton University, https://wordnet.princeton.edu, whose licence lets anybody use and pass them on).
"""

import functools
from collections.abc import Mapping
from pathlib import Path

_FILE = Path(__file__).with_name("imagenet_classes.txt")


@functools.cache
def imagenet_classes() -> Mapping[str, str]:
    """Return each class's words by its number in WordNet, "n01440764": "tench, Tinca tinca"; in order."""
    lines = _FILE.read_text(encoding="utf-8").splitlines()
    return dict(line.split(" ", 1) for line in lines)


def in_words(class_name: str) -> str:
    """Return a class for people: "tench (n01440764)" if its name is one of these numbers, else the name."""
    if not (class_name[:1] == "n" and class_name[1:].isdecimal()):
        return class_name
    words = imagenet_classes().get(class_name, "")
    return f"{words.partition(',')[0]} ({class_name})" if words else class_name
