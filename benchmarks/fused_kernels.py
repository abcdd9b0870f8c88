"""What inductor makes of a training step: how many kernels of its own, how many calls of libraries.

    python benchmarks/fused_kernels.py resnet20 --batch 128

On the CPU it compiles the batch, the forward and the backward pass, the guard and the sums, as on CUDA; there
each fused kernel that sums over the batch becomes two or three, and a convolution's gradient two.
"""

import argparse
import re
from collections import Counter

import torch
from torch._inductor import config
from torch._inductor.utils import run_and_get_code

from resnetlab.base.units import Duration
from resnetlab.network.catalog import model_spec
from resnetlab.recipe.named import named_recipe
from resnetlab.recipe.settings import override
from resnetlab.show.tables.align import table
from resnetlab.training.speed import training


def kernels_of(code: str) -> tuple[Counter[str], Counter[str]]:
    """Return the fused kernels and the library calls of one compiled graph, by name."""
    body = code.partition("def call")[2]
    fused = re.findall(r"\n\s+((?:cpp|triton)_\w*fused\w*)(?:\(|\.run)", body)
    calls = re.findall(r"(?:extern_kernels|torch\.ops\.aten)\.(\w+)(?:\.\w+)?\(", body)
    return Counter(fused), Counter(calls)


def main() -> None:
    """Compile a step and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    spec = model_spec(options.model)
    recipe = override(
        named_recipe("he2015", spec.depth),
        {"compile": "on", "capture": "on", "batch": options.batch, "length": Duration(100, "st")},
    )
    config.fx_graph_cache = False  # a graph from the cache shows no code
    program = training(spec, recipe, torch.device(options.device), num_samples=16 * options.batch).program
    _, codes = run_and_get_code(lambda: program.run(1))
    rows = []
    for number, code in enumerate(codes, start=1):
        fused, calls = kernels_of(code)
        told = ", ".join(f"{count} {name}" for name, count in calls.most_common())
        rows.append((f"graph {number}", str(sum(fused.values())), str(len(fused)), told))
    print(table(("", "fused kernels", "of kinds", "library calls"), rows, left=1))


if __name__ == "__main__":
    main()
