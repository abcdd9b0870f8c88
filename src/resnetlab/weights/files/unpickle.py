"""The process that reads torch's pickled weights; `pickled.read_pickled` starts it.

`python -m resnetlab.weights.files.unpickle FILE SECONDS TARGET [PREFIX]` writes the tensors as safetensors to
TARGET and what it had to say as JSON to its output. Nothing that a pickle names is made or run (inert.py); a
process of its own is there in case that this wall has a hole, and for what a damaged file does to
memory.
"""

import sys
from dataclasses import asdict
from pathlib import Path

import safetensors.torch
import torch

from resnetlab.base import files
from resnetlab.base.reading.plain import refuse_more
from resnetlab.base.reading.process import accept_limits, answer
from resnetlab.base.units import first_of
from resnetlab.weights.files.checkpoint_facts import class_names, mmlab, own_images, plain_facts
from resnetlab.weights.files.inert import RefusedError
from resnetlab.weights.files.modules import beyond_the_body, knobs_of, oddities
from resnetlab.weights.files.torch_file import read
from resnetlab.weights.files.wrapped import Unwrapped, describe, unwrap

_MOST_NAMED = 4
_ANEW = "It is damaged or cut short: copy or download it anew."


def _main(path: str, target: str, prefix: str = "") -> dict[str, object]:
    """Convert the file; return the notes, or the problem with a hint."""
    try:
        content = read(Path(path))
        found = unwrap(content.value, prefix)
    except RefusedError as error:
        return {
            "problem": f"it asks for {error} and not for tensors alone; nothing of it was run",
            "hint": "Weights need no such thing: this file was made to run something on your machine.",
        }
    except Exception as error:  # whatever a damaged file makes of the readers
        cause = str(error).strip().partition("\n")[0]
        return {"problem": f"cannot be read ({type(error).__name__}: {cause})", "hint": _ANEW}
    if not found.tensors:
        return {
            "problem": f"holds no named tensors; {describe(content.value)}",
            "hint": "Looked for is a state dict, as torch.save(model.state_dict(), FILE) writes it.",
        }
    if found.module is not None and (odd := oddities(found.module)):
        return {
            "problem": f"is a whole module with {first_of(odd, 3)}: no network of ours",
            "hint": "Read are ResNets as torchvision and timm have them.",
        }
    if found.unread:
        return {
            "problem": f"holds tensors whose numbers are not there one by one: {first_of(found.unread, 3)}",
            "hint": "Save them as plain ones, as by tensor.to_dense() or tensor.dequantize().",
        }
    size = sum(tensor.numel() * tensor.element_size() for tensor in found.tensors.values())
    try:
        refuse_more(size, Path(path).stat().st_size, "its tensors")
    except ValueError as error:
        return {"problem": str(error), "hint": _ANEW}
    copies = {name: tensor.clone().contiguous() for name, tensor in found.tensors.items()}
    files.write_part(Path(target), safetensors.torch.save(copies))
    notes = [*_notes(found), *_of_others(content.named)]
    kind = "TorchScript program" if content.is_script else "torch file"
    facts = plain_facts(content.value)
    knobs, images = mmlab(content.value)
    images = images or own_images(content.value)
    knobs |= knobs_of(found.module) if found.module is not None else {}
    return {
        "notes": notes,
        "order": [*copies],
        "kind": kind,
        "told": facts,
        "knobs": knobs,
        "otherwise": beyond_the_body(found.module) if found.module is not None else [],
        "images": asdict(images) if images is not None else None,
        "class_names": class_names(content.value),
    }


def _notes(found: Unwrapped) -> list[str]:
    """Return where the weights lay, and how others are had."""
    if not found.others:
        return [*found.notes]
    first, *more = found.notes
    return [f"{first} (--prefix {found.others[0]} takes those)", *more]


def _of_others(named: tuple[str, ...]) -> list[str]:
    """Return what to say of globals that are no tensors'."""
    if not named:
        return []
    return [f"it holds more than tensors, which was not made or run: {first_of(named, _MOST_NAMED)}"]


if __name__ == "__main__":
    torch.set_num_threads(1)  # each further one has a stack of its own, which counts towards the limit
    name, seconds, *others = sys.argv[1:]
    accept_limits(Path(name).stat().st_size, float(seconds))
    answer(_main(name, *others))
