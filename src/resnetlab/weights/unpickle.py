"""The process that reads torch's pickled weights; `pickled.read_pickled` starts it.

`python -m resnetlab.weights.unpickle FILE TARGET` writes the tensors as safetensors to TARGET and
what it had to say as JSON to its output. torch's `weights_only` reader constructs tensors and plain
containers alone; a process of its own is there in case that this wall has a hole, and for what a
damaged file does to memory.
"""

import argparse
import json
import pickle
import sys
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from resnetlab import files

# Where trainers keep the weights within what they save; averaged ones first, which they publish.
_WRAPPERS = ("state_dict_ema", "model_ema", "ema", "state_dict", "model_state_dict", "model", "net")
_MOST_WRAPPERS = 16


def _main(path: str, target: str) -> dict[str, object]:
    """Convert the file; return the notes, or the problem with a hint."""
    # timm and others save their command line beside the weights: attributes, no behaviour.
    torch.serialization.add_safe_globals([argparse.Namespace])
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)  # noqa: TID251 - a .pth is a pickle; weights_only, alone in this process
    except pickle.UnpicklingError as error:
        wanted = str(error).partition("GLOBAL ")[2].split(" ")[0] or "more than tensors"
        return {
            "problem": f"it asks for {wanted} and not for tensors alone; nothing of it was run",
            "hint": "Where it was made: torch.save(model.state_dict(), FILE), or better safetensors.",
        }
    except Exception as error:  # whatever a damaged file makes of torch's reader
        cause = str(error).strip().partition("\n")[0]
        return {
            "problem": f"cannot be read ({type(error).__name__}: {cause})",
            "hint": "Copy or download it anew.",
        }
    tensors, notes = unwrap(content)
    if not tensors:
        return {"problem": "holds no named tensors", "hint": "A state dict is looked for."}
    copies = {name: tensor.clone().contiguous() for name, tensor in tensors.items()}
    files.write_file(Path(target), safetensors.torch.save(copies))
    return {"notes": notes}


def unwrap(content: object) -> tuple[dict[str, Tensor], list[str]]:
    """Return the tensors of a state dict, however deep it lies, and where it lay."""
    notes: list[str] = []
    for _ in range(_MOST_WRAPPERS):  # one can hold itself
        if not isinstance(content, Mapping):
            break
        inner = [key for key in _WRAPPERS if isinstance(content.get(key), Mapping)]
        if not inner:
            break
        notes.append(f'the weights are those under "{inner[0]}"')
        if others := inner[1:]:
            notes[-1] += f'; others under "{", ".join(others)}"'
        content = content[inner[0]]
    if not isinstance(content, Mapping):
        return {}, notes
    tensors = {
        name: value.detach()
        for name, value in content.items()
        if isinstance(name, str) and isinstance(value, Tensor) and value.layout == torch.strided
    }
    return tensors, notes


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_main(*sys.argv[1:])))
