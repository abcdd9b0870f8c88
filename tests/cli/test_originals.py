"""docs/originals.md names every flag of every original, and every command in it is accepted."""

import functools
import re
import shlex
from pathlib import Path

import pytest

from resnetlab.cli.parser import build_parser
from resnetlab.network.catalog import model_spec
from tests.kit.commands import accept, run

TEXT = (Path(__file__).parents[2] / "docs" / "originals.md").read_text()
SECTIONS = dict(zip(*[iter(re.split(r"^## (.*)$", TEXT, flags=re.M)[1:])] * 2, strict=True))

# The flags as the originals' own `--help` lists them.
FLAGS = {
    "chao-ji/tf-resnet-cifar10, TensorFlow 1": "path ckpt_path train_log_path num_layers batch_size epochs "
    "log_per_steps buffer_size max_ckpts momentum init_lr weight_decay batch_norm_decay shortcut_connection",
    "chao-ji/tf-resnet-cifar10, TensorFlow 2": "data_path ckpt_path log_path num_layers batch_size "
    "num_iterations log_per_iterations shuffle_buffer_size momentum init_lr weight_decay batch_norm_momentum "
    "shortcut_connection",
    "Keras, examples/cifar10_resnet.py": "batch_size epochs data_augmentation num_classes "
    "subtract_pixel_mean n version",
    "TensorFlow, official/r1/resnet": "data_dir model_dir clean train_epochs epochs_between_evals "
    "stop_threshold batch_size num_gpus hooks export_dir distribution_strategy inter_op_parallelism_threads "
    "intra_op_parallelism_threads use_synthetic_data max_train_steps dtype loss_scale fp16_implementation "
    "all_reduce_alg num_packs tf_gpu_thread_mode per_gpu_thread_count datasets_num_private_threads "
    "tf_data_experimental_slack data_format benchmark_logger_type benchmark_test_id benchmark_log_dir "
    "gcp_project bigquery_data_set bigquery_run_table bigquery_run_status_table bigquery_metric_table "
    "log_steps worker_hosts task_index resnet_version resnet_size fine_tune "
    "pretrained_model_checkpoint_path eval_only image_bytes_as_serving_input use_train_and_evaluate "
    "enable_lars label_smoothing weight_decay",
    "TensorFlow, research/resnet": "dataset mode train_data_path eval_data_path image_size train_dir "
    "eval_dir log_root eval_batch_count eval_once num_gpus batch_size num_classes min_lrn_rate lrn_rate "
    "num_residual_units use_bottleneck weight_decay_rate relu_leakiness optimizer",
}


RECIPES = dict(zip(FLAGS, ("chaoji", "chaoji-tf2", "keras", "tfofficial-cifar", "tfresearch"), strict=True))


def rows(section: str) -> dict[str, tuple[str, str]]:
    """The table of a section: flag -> (here, remark)."""
    found = {}
    for line in SECTIONS[section].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and (match := re.search(r"`(\w+)`", cells[0])):
            found[match[1]] = (cells[1], cells[2])
    return found


@pytest.mark.parametrize("section", FLAGS)
def test_every_flag_of_the_original_is_there_and_no_other(section: str) -> None:
    assert set(rows(section)) == set(FLAGS[section].split())


@pytest.mark.parametrize("section", FLAGS)
def test_every_snippet_is_accepted(section: str) -> None:
    count = 0
    for here, remark in rows(section).values():
        for snippet in re.findall(r"`([^`]*)`", f"{here} {remark}"):
            words = shlex.split(snippet)
            if words[0].startswith("--") and len(words) > 1:
                accept("train", "resnet20", "--recipe", RECIPES[section], *words)
            elif words[0] == "resnetlab":
                accept(*words[1:])
            count += 1
    assert count > 4


def test_every_command_is_accepted_and_every_model_exists() -> None:
    commands = [line.split()[1:] for line in TEXT.splitlines() if line.startswith("    resnetlab ")]
    for words in commands:
        accept(*words)
    for name in re.findall(r"\b(?:chaoji|keras|tfofficial|tfresearch)_\w+\b", TEXT):
        model_spec(name)

    assert len(commands) == 10


DENIES = re.compile(r"not supported|unsupported|not possible|not offered|not yet|no equivalent|cannot be had")
OTHER_WORDS = {
    "pretrained": "weights", "gpus": "devices", "profiler": "profile", "ckpt": "resume", "fine": "finetune",
    "intra": "threads", "evaluator": "eval", "augmentation": "set", "synthetic": "data", "serving": "predict",
}  # fmt: skip
"""What a flag of an original is called here."""


@functools.cache
def offered() -> frozenset[str]:
    """The verbs, their flags, and all that `resnetlab list` names."""
    verbs = build_parser().known_verbs()
    texts = [run(verb, "--help").stdout for verb in verbs] + [run("list").stdout]
    flags = {flag for text in texts for flag in re.findall(r"--([a-z][a-z0-9-]+)", text)}
    return frozenset({*verbs, *flags, *re.findall(r"^  ([\w-]+)", texts[-1], re.M)})


def denied(text: str) -> set[str]:
    """What lines say is not supported, of all that is offered."""
    lines = [line for line in text.splitlines() if DENIES.search(line)]
    words = {word for line in lines for word in re.findall(r"[a-z0-9]+", DENIES.sub("", line.lower()))}
    return {OTHER_WORDS.get(word, word) for word in words} & offered()


def test_nothing_is_said_to_be_lacking_that_is_there() -> None:
    assert denied(TEXT) == set()


@pytest.mark.parametrize(("line", "what"), [
    ("| `export_dir` | not supported | |", "export"),
    ("| `fine_tune` | not supported | |", "finetune"),
    ("| `intra_op_parallelism_threads` | not possible in torch | |", "threads"),
    ("| `pretrained_model_checkpoint_path` | not yet | |", "weights"),
    ("| `hooks` | unsupported: ProfilerHook, a profiler | |", "profile"),
])  # fmt: skip
def test_what_was_lacking_once_would_be_found(line: str, what: str) -> None:
    assert what in denied(line)


def test_an_unknown_flag_would_be_found() -> None:
    with pytest.raises(SystemExit):
        accept("train", "resnet20", "--init_lr", "0.1")
