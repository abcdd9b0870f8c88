"""What a fine-tuning keeps, what begins anew, and what of it learns, as a table."""

from math import prod

from resnetlab.network.spec import ModelSpec
from resnetlab.recipe import Transfer
from resnetlab.training.parts import part_finder, plan_parts
from resnetlab.weights import WeightsReport
from resnetlab.weights.adapting import NEW_CLASSIFIER
from resnetlab.weights.facts.naming import expected_shapes

HEADER = ("part", "parameters", "weights", "rate", "BN")
_BN = {"train": "batch statistics", "frozen-statistics": "statistics frozen", "frozen": "frozen"}
_MOST = 4
_COUNTED = ("weight", "bias")


def part_rows(spec: ModelSpec, transfer: Transfer, report: WeightsReport) -> list[tuple[str, ...]]:
    """Return a row for each part of the network, in the order of `HEADER`.

    Args:
        spec: The network that is trained.
        transfer: How.
        report: What became of every tensor.
    """
    parts, find = plan_parts(spec, transfer), part_finder(spec)
    rows: list[tuple[str, ...]] = []
    shapes = expected_shapes(spec)
    for number, part in enumerate(parts):
        names = [name for name in shapes if find(name) == number]
        size = sum(prod(shapes[name]) for name in names if name.rpartition(".")[2] in _COUNTED)
        has_norm = any(name.endswith("running_mean") for name in names)
        rate = f"{part.rate:.3g}" if part.rate else "0 (frozen)"
        rows.append((part.name, f"{size:,}", _fate(names, report), rate, _BN[part.bn] if has_norm else "-"))
    return rows


def remarks(report: WeightsReport) -> list[str]:
    """Return what is to be said beside the table: what of the file was not used, and its notes."""
    unused = [f"not used: {name} ({why})" for name, why in report.unused.items() if why != NEW_CLASSIFIER]
    more = [f"and {len(unused) - _MOST} more tensors not used"] if len(unused) > _MOST else []
    return [*unused[:_MOST], *more, *report.notes]


def _fate(names: list[str], report: WeightsReport) -> str:
    """Return what became of a part's tensors: kept, new, or some of both."""
    reset = [name for name in names if name in report.reset]
    kept = [name for name in names if name in report.matched or name in report.derived]
    if not reset:
        changed = [
            report.derived[name] for name in names if name.endswith("weight") and name in report.derived
        ]
        return f"kept; {changed[0]}" if changed else "kept"
    partly = [report.derived[name] for name in reset if name in report.derived]
    if partly:
        return f"{partly[0]}; new: {report.reset[reset[0]]}"
    return "new" if not kept else f"{len(kept)} tensors kept, {len(reset)} new"
