"""Where the time of an answer by kernels of our own goes: the operations of a pass, alike ones together.

    python benchmarks/inference_operations.py resnet20 --batch 16 --threads 1 --set precision=bf16

Whole passes first, for --seconds; then each operation alone, the fewest seconds of --times with its maps and
weights still near. What whole passes take beyond the sum is spent on weights that come from memory. GFLOP/s
are those of a convolution's definition, two operations for a weight and an output, however few products its
kernel makes. One batch is made as one; `bench eval` and cpu.py cut large ones into several.
"""

import time

import torch

from resnetlab.base.machine.number_formats import NUMBER_FORMATS
from resnetlab.models import build
from resnetlab.native import building
from resnetlab.native.inferring.graph import Node, graph_of
from resnetlab.native.inferring.program import Program
from resnetlab.native.inferring.weights import Weights
from resnetlab.network import layers
from train_steps import asked, parser_of


def main() -> None:
    """Measure and print a table."""
    parser = parser_of(__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="of whole passes")
    parser.add_argument("--times", type=int, default=50, help="of each operation")
    options = parser.parse_args()
    spec, recipe = asked(options)
    side = spec.input_size
    number = NUMBER_FORMATS["bf16" if recipe.execution.precision == "bf16" else "fp32"]
    weights = Weights(build(spec, seed=0).eval(), building.lanes(), number)
    program = Program(graph_of(spec.plan(), side, side), weights, options.batch, torch.get_num_threads())
    images = torch.randn(options.batch, spec.in_channels, side, side)
    whole = _seconds_of_a_pass(program, images, options.seconds)
    operations = program.seconds(options.times)
    total = sum(seconds for _, seconds in operations)
    print(
        f"{spec.name}, {number}, batch {options.batch}, {side} pixels, {program.threads} threads:"
        f" {options.batch / whole:,.1f} images/s, {whole * 1e3:.3f} ms a pass,"
        f" {total * 1e3:.3f} ms by operation\n\n"
        "| operation | how many | ms | share | GFLOP/s |\n| :-- | --: | --: | --: | --: |"
    )
    alike: dict[str, list[tuple[Node, float]]] = {}
    for node, seconds in operations:
        alike.setdefault(_told(node), []).append((node, seconds))
    for told, found in alike.items():
        seconds = sum(each for _, each in found)
        work = sum(map(_operations, {id(node): node for node, _ in found}.values())) * options.batch
        rate = f"{work / seconds / 1e9:,.0f}" if work else ""
        print(f"| {told} | {len(found)} | {seconds * 1e3:.3f} | {seconds / total:.1%} | {rate} |")


def _seconds_of_a_pass(program: Program, images: torch.Tensor, seconds: float) -> float:
    program.run(images)
    began, count = time.perf_counter(), 0
    while count == 0 or time.perf_counter() - began < seconds:
        program.run(images)
        count += 1
    return (time.perf_counter() - began) / count


def _told(node: Node) -> str:
    x, out, layer = node.x, node.makes[0], node.layer
    kind = type(layer).__name__ if layer else "elementwise"
    if isinstance(layer, layers.Conv):
        kind = f"{layer.kernel}x{layer.kernel}, stride {layer.stride}"
    return f"{kind}: {x.channels} of {x.height}x{x.width} to {out.channels} of {out.height}x{out.width}"


def _operations(node: Node) -> int:
    if not isinstance(node.layer, layers.Conv):
        return 0
    out = node.makes[0]
    return 2 * node.layer.kernel**2 * node.x.channels * out.channels * out.height * out.width


if __name__ == "__main__":
    main()
