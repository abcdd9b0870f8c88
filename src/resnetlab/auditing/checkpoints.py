"""Checkpoints: every byte by its hash, all of this run, in steps that were made. No torch."""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from resnetlab.auditing.facts import Facts, first_line, is_close
from resnetlab.auditing.finding import Found, Promise, judged, judged_unless, unknown
from resnetlab.base.reading.plain import is_count, is_number, open_plain, read_plain
from resnetlab.base.units import counted
from resnetlab.errors import CheckpointError, DataError, ResnetlabError
from resnetlab.recipe.schedule import Plateau
from resnetlab.runs.journal import read_content
from resnetlab.runs.manifest import list_checkpoints, read_manifest, read_verified

_LONGEST_HEADER = 2**26
_NO_PARAMETERS = ("running_mean", "running_var", "num_batches_tracked")


def every_byte(facts: Facts) -> Found:
    """Read all files of every checkpoint and compare them with the manifest."""
    problems = []
    for each in facts.checkpoints:
        try:
            read_verified(each.path)
        except ResnetlabError as error:
            problems.append(first_line(error))
    if not problems and (more := len(list_checkpoints(facts.run.checkpoints)) - len(facts.checkpoints)):
        return unknown(f"{more:,} superseded checkpoints that a power cut left half removed")
    return judged(problems, counted(len(facts.checkpoints), "checkpoint"))


def of_this_run(facts: Facts) -> Found:
    """Compare identity and step of every checkpoint with the run's and its name's."""
    problems, identity = [], facts.identity
    for each in facts.checkpoints:
        name, step = each.path.name, each.step
        try:
            manifest = read_manifest(each.path)
        except CheckpointError as error:
            problems.append(first_line(error))
            continue
        if manifest["identity"] != identity:
            problems.append(f"{name} is of another recipe, network or data")
        if manifest["step"] != step or (each.state or {}).get("step", step) != step:
            problems.append(f"{name} is of step {manifest['step']:,}, by another name")
        if step > facts.last and facts.run.is_finished:
            problems.append(f"{name} is behind the end, step {facts.last:,}")
    return judged(problems, f"{len(facts.checkpoints):,} of identity {identity[:12]}")


def the_end(facts: Facts) -> Found | None:
    """Look for the checkpoint of the last step, whose score the result is."""
    if not facts.result:
        return None
    steps = [each.step for each in facts.checkpoints]
    if not steps:
        return unknown("the run's checkpoints were removed")
    due = facts.result.get("step")
    return judged([] if due in steps else [f"none of step {due!r}"], f"step {due!r}")


def rows_then(facts: Facts) -> Found | None:
    """Compare metrics.jsonl with its hash in every checkpoint."""
    problems, count = [], 0
    content = read_content(facts.run.metrics)
    whole = content.rfind(b"\n") + 1
    for each in facts.checkpoints:
        state, name = each.state or {}, each.path.name
        length, digest = state.get("metrics_length"), state.get("metrics_digest", "")
        if not is_count(length):
            continue
        count += bool(digest)
        if whole < length:
            problems.append(f"{name}: metrics.jsonl has {whole:,} bytes of whole rows, had {length:,}")
        elif digest and hashlib.sha256(content[:length]).hexdigest() != digest:
            problems.append(f"{name}: the first {length:,} bytes of metrics.jsonl are not those of then")
    if not problems and not count:
        return unknown("no checkpoint that keeps a hash of the rows")
    return judged(problems, f"the rows before {counted(count, 'checkpoint')}")


def states(facts: Facts) -> Found:
    """Compare the numbers in every checkpoint with the rows."""
    told = facts.checkpoints
    problems = [text for each in told for text in _contradictions(facts, each.step, each.state)]
    seconds = [each.state["seconds"] for each in told if each.state and is_number(each.state.get("seconds"))]
    if any(later < before for before, later in pairwise(seconds)):
        problems.append("the seconds of training fall from one to a later one")
    return judged(problems, counted(len(told), "state"))


def _contradictions(facts: Facts, step: int, state: Mapping[str, Any] | None) -> Iterator[str]:
    if state is None:
        yield f"step {step:,}: no state.json that can be read"
        return
    evaluated = [0, *(row["step"] for row in facts.evaluations if row["step"] <= step)]
    before = max((each for each in evaluated if each < step), default=0)  # it was saved as one was to begin
    if state.get("evaluated") not in (evaluated[-1], before):
        yield f"step {step:,}: evaluated at {state.get('evaluated')!r}, the rows say {evaluated[-1]:,}"
    best, plateau = (0, 0.0), Plateau()
    for row in facts.evaluations:
        if row["kind"] == "val" and row["step"] <= min(step, state.get("evaluated", 0)):
            best = (row["step"], row["accuracy"]) if row["accuracy"] > best[1] else best
            if facts.recipe.schedule.schedule == "plateau":
                plateau = plateau.after(row["loss"], facts.recipe.schedule)
    if (state.get("best_step"), state.get("best_accuracy")) != best:
        yield f"step {step:,}: best at {state.get('best_step')!r}, the rows say {best[0]:,}"
    if state.get("reductions", plateau.reductions) != plateau.reductions:
        yield f"step {step:,}: {state.get('reductions')!r} reductions, the rows say {plateau.reductions}"
    if not is_number(seconds := state.get("seconds")) or seconds < 0:
        yield f"step {step:,}: {seconds!r} seconds"


def network(facts: Facts) -> Found:
    """Count the parameters in the newest checkpoint by the header of its weights."""
    if not facts.checkpoints:
        return unknown("no checkpoint")
    path = facts.checkpoints[-1].path / "model.safetensors"
    try:
        count = parameters_in(path)
    except (OSError, ValueError, TypeError, AttributeError, KeyError, OverflowError) as error:
        return judged([f"{path.parent.name}/{path.name} cannot be read: {error}"], "")
    due = facts.spec.num_parameters
    return judged([] if count == due else [f"{count:,}, and {facts.spec.name} has {due:,}"], f"{count:,}")


def parameters_in(path: Path) -> int:
    """Return how many trainable numbers a safetensors file holds, by its header.

    Raises:
        OSError, ValueError, TypeError, AttributeError, KeyError: If it is none.
    """
    with open_plain(path, most=2**62) as stream:
        length = int.from_bytes(stream.read(8), "little")
        if length > _LONGEST_HEADER:
            raise ValueError("its header is too long")
        header = json.loads(stream.read(length))
    shapes = {name: entry["shape"] for name, entry in header.items() if name != "__metadata__"}
    return sum(math.prod(shape) for name, shape in shapes.items() if not name.endswith(_NO_PARAMETERS))


def weights_then(facts: Facts) -> Found | None:
    """Compute the penalty of the weights again, and compare the batches that BN has counted with steps."""
    told = {row["step"]: row["l2_loss"] for row in facts.rows if is_number(row.get("l2_loss"))}
    has_penalty, is_counted = bool(told) and _has_known_penalty(facts), _counts_steps(facts)
    problems, count = list[str](), 0
    for step, path in ((each.step, each.path) for each in facts.checkpoints):
        if not (is_counted or (has_penalty and step in told)):
            continue
        tensors, count = _tensors(path / "model.safetensors"), count + 1
        if has_penalty and step in told and not is_close(told[step], due := _penalty(facts, tensors), _SUM):
            problems.append(f"{path.name}: l2_loss is {told[step]:.6g} in the row, {due:.6g} of the weights")
        batches = (
            {int(each) for name, each in tensors.items() if name.endswith(_COUNTER)} if is_counted else {}
        )
        if batches and batches != {step}:
            problems.append(f"{path.name}: BN has counted {max(batches):,} batches")
    if not count:
        return None
    return judged(problems, f"the weights of {counted(count, 'checkpoint')}")


_COUNTER = ".num_batches_tracked"
_SUM = 2e-3
"""Relative: what a sum of squares in float32, number by number, may lack of one in float64: of ten million
weights 6e-4, more where many are near 0."""


def _has_known_penalty(facts: Facts) -> bool:
    """Return whether the names and shapes of tensors tell which decay: not where some do not learn."""
    transfer = facts.recipe.transfer
    learn = transfer.freeze == "none" and transfer.body_rate > 0 and transfer.stage_rate > 0
    return learn and (facts.recipe.optimizer.decay_scope in _OF_KERNELS or transfer.bn == "train")


_OF_KERNELS = ("kernels", "conv-kernels")


def _penalty(facts: Facts, tensors: Mapping[str, Any]) -> float:
    """Return half the weight decay times the squares of what decays (training.step.optim, penalty_row)."""
    optimizer = facts.recipe.optimizer
    squares = []
    for name, tensor in tensors.items():
        path, _, last = name.rpartition(".")
        if last not in ("weight", "bias"):
            continue
        is_norm = f"{path}.running_mean" in tensors
        is_kernel = last == "weight" and not is_norm
        if {
            "all": True,
            "all-but-norm": not is_norm,
            "kernels": is_kernel,
            "conv-kernels": is_kernel and tensor.ndim == 4,
        }[optimizer.decay_scope]:
            share = 1 / optimizer.bias_rate if is_norm and last == "bias" else 1.0
            squares.append(share * float((tensor.astype("f8") ** 2).sum()))
    return optimizer.weight_decay / 2 * math.fsum(squares)


def _counts_steps(facts: Facts) -> bool:
    """Return whether every BN sees one batch a step, from the first on."""
    recipe = facts.recipe
    once = recipe.execution.accumulate == recipe.execution.shards == 1 and not recipe.optimizer.sam
    learns = recipe.transfer.freeze == "none" and recipe.transfer.bn == "train"
    # fp16 and broken images leave steps out; 0.1.0 counted a batch that was computed twice twice
    is_each = recipe.execution.precision != "fp16" and not facts.has_broken
    is_each = is_each and not recipe.execution.checkpoint_activations
    return once and learns and is_each and not facts.run.begins_trained


def _tensors(path: Path) -> dict[str, Any]:
    """Return a checkpoint's tensors as NumPy's arrays.

    Raises:
        DataError: If they cannot be read.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return dict(load(read_plain(path, most=2**40)))
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise DataError(f"{path.parent.name}/{path.name} cannot be read: {error}") from error


def kept(facts: Facts) -> Found:
    """Compare the checkpoints that are there with the saves that events tell of."""
    steps = {each.step for each in facts.checkpoints}
    saved = {row.get("step") for row in facts.happened("save", "resume")}
    last = max((step for step in saved if is_count(step)), default=0)  # a kill may come before its event
    odd = sorted(step for step in steps - saved if step < last and not facts.is_before(step))
    surely = [step for step in odd if not facts.may_be_unsaid(step)]
    doubt = "lines of it are damaged" if facts.are_events_damaged else "" if surely else "a kill cut it off"
    problems = [f"no save of step {step:,} in events.jsonl" for step in surely or odd]
    return judged_unless(doubt, problems, counted(len(facts.happened("save")), "save"))


def last_seconds(facts: Facts, step: object) -> float | None:
    """Return the seconds of training in the checkpoint of a step, if it is there."""
    for each in facts.checkpoints:
        if each.step == step and is_number(seconds := (each.state or {}).get("seconds")):
            return seconds
    return None


def as_long(facts: Facts) -> Found | None:
    """Compare the seconds of training in the result with those of the last checkpoint."""
    if not facts.result or (seconds := last_seconds(facts, facts.result.get("step"))) is None:
        return None
    told = facts.result.get("train_seconds")
    is_so = is_number(told) and (is_close(told, seconds, _SLACK) or 0 <= told - seconds <= _SECONDS)
    return judged(
        [] if is_so else [f"{told!r} s, and {seconds:.3f} s in the checkpoint"], f"{seconds:,.1f} s"
    )


_SLACK, _SECONDS = 0.01, 1.0
"""What waiting for a device at the last evaluation may add."""


PROMISES = (
    Promise(
        "checkpoints",
        "every file of the size and SHA-256 in its manifest",
        "damaged weights are others",
        every_byte,
        reads_all=True,
    ),
    Promise(
        "identity",
        "every checkpoint of this recipe, network and data, and of its step",
        "weights of another run have no business here",
        of_this_run,
    ),
    Promise("last checkpoint", "that of the last step", "the result is its score", the_end),
    Promise(
        "rows then",
        "metrics.jsonl begins as when each checkpoint was written",
        "rows are never changed afterwards",
        rows_then,
    ),
    Promise(
        "states",
        "evaluations, the best one and reductions as the rows have them",
        "what a run goes on with is what it had come to",
        states,
    ),
    Promise("parameters", "as many in the weights as the network has", "weights are of the network", network),
    Promise(
        "weights then",
        "as large as the rows say at their steps, by as many batches as steps",
        "weights of another run, or of another step, have another score",
        weights_then,
        reads_all=True,
    ),
    Promise("saves", "an event for every checkpoint", "what no save wrote came from elsewhere", kept),
    Promise(
        "seconds", "at the end as many as in the last checkpoint", "time is what others plan with", as_long
    ),
)
