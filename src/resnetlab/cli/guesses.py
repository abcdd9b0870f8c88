"""What people type who come from other programs, and what it is called here."""

from collections.abc import Collection, Mapping, Sequence

_SAME: Mapping[str, tuple[str, ...]] = {
    "fit": ("train",),
    **dict.fromkeys(("evaluate", "test", "val", "validate", "score"), ("eval",)),
    **dict.fromkeys(("classify", "infer", "inference"), ("predict",)),
    **dict.fromkeys(("demo", "server", "deploy"), ("serve",)),
    **dict.fromkeys(("fine-tune", "transfer"), ("finetune",)),
    **dict.fromkeys(("info", "summary", "describe"), ("show",)),
    **dict.fromkeys(("visualize", "visualise"), ("draw",)),
    **dict.fromkeys(("continue", "restart"), ("resume",)),
    **dict.fromkeys(("dashboard", "ui"), ("board",)),
    **dict.fromkeys(("find-lr", "lrfind", "lr_find", "find_lr", "lr-finder", "range-test"), ("lr-find",)),
    "benchmark": ("bench",),
    "completions": ("completion",),
    "convert": ("export",),
    "models": ("list", "models"),
    "recipes": ("list", "recipes"),
    "datasets": ("list", "data"),
    "download": ("data", "fetch"),
}
"""Other words for our verbs, each of one meaning."""

_OTHER_WAYS: Mapping[str, str] = {
    **dict.fromkeys(
        ("plot", "curves"),
        "`resnetlab report RUN -o curves.svg` draws curves of runs, `resnetlab draw MODEL` a network.",
    ),
    "ls": "`resnetlab runs` lists runs, `resnetlab list` models, recipes and data.",
    "diff": "`resnetlab show A B` says in what two differ, `resnetlab compare A B` which is better.",
    "check": "`resnetlab data check PATH` checks images, `resnetlab doctor` this machine.",
    **dict.fromkeys(
        ("config", "configure", "settings"),
        "`resnetlab show quick` shows every value of a recipe, `--recipe FILE` takes some from a file.",
    ),
    "tensorboard": "`tensorboard --logdir runs` shows runs, and so does `resnetlab board`.",
    "examples": "`resnetlab VERB --help` ends with examples of each verb.",
    **dict.fromkeys(
        ("tune", "sweep", "search"),
        "`resnetlab train MODEL --seeds 3 --set lr=0.05,0.1,0.2` tries several values of the recipe.",
    ),
}
"""Words of which no one verb is meant, and what is to be typed."""

_FLAGS: Mapping[str, str] = {
    **dict.fromkeys(("--gpus", "--num-gpus", "--ngpu", "--nproc-per-node"), "--devices"),
    **dict.fromkeys(("--batch-size", "--bs"), "--batch"),
    **dict.fromkeys(("--learning-rate", "--lr0", "--base-lr"), "--lr"),
    **dict.fromkeys(("--num-epochs", "--max-epochs", "--train-epochs"), "--epochs"),
    **dict.fromkeys(("--max-steps", "--iterations", "--num-steps"), "--steps"),
    **dict.fromkeys(("--num-workers", "--jobs"), "--workers"),
    **dict.fromkeys(("--dataset", "--data-dir", "--data-path", "--source", "--images"), "--data"),
    **dict.fromkeys(("--output", "--output-dir", "--save-dir", "--out-dir", "--name", "--project"), "--out"),
    **dict.fromkeys(("--config", "--cfg", "--hyp"), "--recipe"),
    **dict.fromkeys(("--random-seed",), "--seed"),
    **dict.fromkeys(("--val-split", "--validation", "--val-size"), "--val"),
    **dict.fromkeys(("--checkpoint", "--ckpt", "--pretrained-weights"), "--weights"),
    **dict.fromkeys(("--logger", "--report-to"), "--track"),
    **dict.fromkeys(("--min-lr", "--start-lr", "--lr-min"), "--low"),
    **dict.fromkeys(("--max-lr", "--end-lr", "--lr-max"), "--high"),
    **dict.fromkeys(("--num-training", "--num-it", "--num-iter"), "--points"),
    "--wandb": "--track wandb",
    **dict.fromkeys(("--early-stopping",), "--patience"),
}
"""Other words for our flags."""


_FORMATS: Mapping[str, str] = {
    **dict.fromkeys(
        ("tflite", "litert", "coreml", "mlmodel", "openvino", "tensorrt", "engine", "ncnn", "tfjs"),
        "`--to onnx` is what converts to that; onnxruntime runs it on phones and in browsers as it is.",
    ),
    **dict.fromkeys(
        ("pt", "pth", "torch", "pytorch", "torchscript", "jit"),
        "`--to torch-export` is for torch.export.load, `--to torchvision` has weights by their names there.",
    ),
}
"""Formats that are not written, and what is instead."""


def understood(arguments: Sequence[str], verbs: Collection[str]) -> tuple[list[str], str]:
    """Return a command in our words, and what is to be said of it: that another word was typed, or "".

    Args:
        arguments: What was typed behind the command's name.
        verbs: Ours.
    """
    typed = list(arguments)
    if not typed or typed[0] in verbs:
        return typed, ""
    word, rest = typed[0].casefold(), typed[1:]
    if word == "version":
        return ["--version"], ""
    if word == "help":
        return [*(word for typed in rest[:1] for word in _SAME.get(typed.casefold(), (typed,))), "--help"], ""
    if word not in _SAME:
        return typed, ""
    ours = _SAME[word]
    return [*ours, *rest], f"{typed[0]!r} is `resnetlab {' '.join(ours)}` here"


def instead_of_verb(word: str) -> str:
    """Return what is to be typed where no one verb is meant by this word, or ""."""
    return _OTHER_WAYS.get(word.casefold(), "")


def instead_of_format(message: str) -> str:
    """Return what to export instead of a format that is none of ours, or "".

    Args:
        message: Of argparse, "argument --to: invalid choice: 'tflite' (choose from ...)".
    """
    return _FORMATS.get(message.partition("'")[2].partition("'")[0].casefold(), "")


def instead_of_flag(flag: str, value: str, known: Collection[str]) -> str:
    """Return what is to be typed instead of a flag that a verb does not have, or "".

    Args:
        flag: As it was typed, "--weight-decay".
        value: What stands behind it, or "".
        known: The verb's flags.
    """
    flag = flag.replace("_", "-")
    if (ours := _FLAGS.get(flag, "")).partition(" ")[0] in known:
        return f"That is {ours if ' ' in ours else f'{ours} {value}'.strip()} here."
    if flag in ("--model", "--arch", "--net"):
        return "The model stands alone, before the flags: resnetlab train MODEL --data PATH"
    if flag == "--html":
        file = value or "FILE.html"
        return (
            f"That is -o {file} here."
            if "--title" in known
            else f"`resnetlab report RUN -o {file}` makes a page."
        )
    if flag == "--mistakes":
        return "`resnetlab report RUN -o FILE.html` shows the worst, answers.csv of `eval` all of them."
    if flag == "--pretrained" and "--freeze" in known:
        return "It is so without that: published weights are taken where --weights names none."
    if flag in ("--pretrained", "--weights") and "--seeds" in known:
        return "`resnetlab finetune --weights FILE --data PATH` begins from trained weights."
    return _instead_by_set(flag.lstrip("-").replace("-", "_"), value or "VALUE") if "--set" in known else ""


def _instead_by_set(name: str, value: str) -> str:
    from resnetlab.base.units import Duration
    from resnetlab.network.spec import KNOBS
    from resnetlab.recipe import Recipe
    from resnetlab.recipe.settings import OTHER_NAMES, leaves

    is_of_epochs, name = name.endswith("_epochs"), OTHER_NAMES.get(name, name)
    if name in leaves(Recipe()) and leaves(Recipe())[name].kind is Duration and value.isdecimal():
        value = f"{value}ep" if is_of_epochs else f"{value}ep, or {value}st for steps"
    for what, known in (("the recipe", leaves(Recipe())), ("the model", KNOBS)):
        if name in known:
            return f"That is a value of {what}: --set {name}={value}"
    return ""
