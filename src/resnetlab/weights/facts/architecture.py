"""What lies beside weights says which network they are of: names and shapes alone do not.

timm's anti-aliased ResNets, for one, have the names and shapes of the plain ones, and compute
otherwise: a blur has no weights. So a network's name in a configuration is read and believed.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from resnetlab.base.reading.plain import read_json
from resnetlab.errors import CheckpointError, UsageError
from resnetlab.network.catalog import model_spec

CONFIG = "config.json"
_HINT = (
    "Read are ResNets as torchvision and timm have them: resnet18 to resnet200, resnet26,"
    " wide_resnet50_2, wide_resnet101_2, resnetv2_*. If what is said is another file's, keep the"
    " weights in a folder of their own."
)

# timm/models/resnet.py and resnetv2.py: the plain networks, and what their names had before them;
# gluon's v1b strides on the 3x3.
_OURS = re.compile(
    r"(tv_|gluon_|ssl_|swsl_|torchvision_|timm_)?(resnet\d+|resnet\d+_v1b|wide_resnet\d+_2|resnetv2_\d+)"
)
# What has a ResNet's names, or begins so; the particular before the general.
_RELATIVES = (
    (r"resnetblur\d+\w*|resnetv2_\d+\w*blur\w*", "a ResNet with blur pools"),
    (r"resnetaa\d+\w*|resnetv2_\d+\w*aa\w*", "a ResNet with average pools against aliasing"),
    (r"(gluon_)?resnet\d+_v1[cdest]\w*", "a ResNet-C, -D or -S, with another stem or shortcut"),
    (r"resnet\d+d\w*|resnetv2_\d+d\w*", "a ResNet-D, with another stem and shortcut"),
    (r"resnet\d+[a-z]\w*|resnetv2_\d+t\w*", "a ResNet with another stem or other layers"),
    (r"resnetv2_\d+x\d+\w*|bit_\w*", "a Big Transfer ResNet, with group normalisation"),
    (r"resnet\d+_gn\w*|resnetv2_\d+_gn\w*|resnet\d+_groupnorm", "a ResNet with group normalisation"),
    (r"resnet\d+_(clip|mlp|ibn|cbam|se|sk|dilated|os\d|dc\d|ws|attn|nl)\w*", "a ResNet with other layers"),
    (r"(resnetv2|resnet)_?\d+_evo\w*", "a ResNet with another normalisation"),
    (r"\w*(fcn|deeplab\w*|pspnet|upernet|unet|lraspp)_?\w*", "a segmentation network"),
    (r"resnetrs\d+\w*|resnet_rs_?\d+\w*", "a ResNet-RS"),
    (
        r"(legacy_)?(se|eca|sk|gc|cbam|ca|bam|nf|nl|cs|ghost|lambda_|tresnet|t|iresnet|i)_?resnet(v2)?_?\d\w*",
        "a ResNet with other layers",
    ),
    (r"\w*(resnext|res2ne[x]?t|resnest|regnet|senet|densenet|nfnet)\w*", "a relative of ResNet"),
    (
        r"\w*(vit|deit|beit|swin|convnext|efficientnet|mobilenet|mobilevit|vgg|alexnet|inception|xception"
        r"|mixer|squeezenet|shufflenet|mnasnet|googlenet|hrnet|dla|dpn|vovnet|repvgg|darknet|maxvit|cait"
        r"|xcit|eva|hiera|pvt|levit|poolformer|metaformer|caformer|botnet|halonet|clip|dinov2|bert)"
        r"(v?\d\w*|_\w+|net\w*)?",
        "another architecture",
    ),
)
# Arguments of timm's networks that change nothing in evaluation, or that names and shapes tell.
_HARMLESS = frozenset(
    (
        "num_classes", "in_chans", "pretrained", "zero_init_last", "drop_rate", "drop_path_rate",
        "drop_block_rate", "block", "layers", "base_width", "channels", "stem_width", "checkpoint_path",
    )
)  # fmt: skip
# The others with the values that are the plain network's, as timm.models.resnet.ResNet has them.
_PLAIN: Mapping[str, tuple[object, ...]] = {
    "act_layer": ("relu", "ReLU", "nn.ReLU", None),
    "norm_layer": ("batchnorm2d", "BatchNorm2d", "nn.BatchNorm2d", "batchnorm", None),
    "global_pool": ("avg",),
    "output_stride": (32,),
    "aa_layer": (None, ""),
    "attn_layer": (None, ""),
    "stem_type": (None, "", "fixed"),
    "conv_layer": (None, "", "conv2d"),
    "block_args": (None, {}),
    "avg_down": (False,),
    "preact": (True,),
    "replace_stem_pool": (False,),
    "down_kernel_size": (1,),
    "block_reduce_first": (1,),
    "cardinality": (1,),
    "features_only": (False,),
    "max_pool": (True,),
    "replace_stride_with_dilation": (None, [False, False, False]),
    "groups": (1,),
    "width_per_group": (64, 128),
}
_WORDS = {
    "act_layer": "another activation",
    "norm_layer": "another normalisation",
    "global_pool": "another pool before the classifier",
    "output_stride": "a dilated network",
    "replace_stride_with_dilation": "a dilated network",
    "aa_layer": "pools against aliasing",
    "attn_layer": "attention",
    "stem_type": "another stem",
    "avg_down": "average pools in the shortcuts",
    "replace_stem_pool": "another pool in the stem",
}


@dataclass(frozen=True)
class Told:
    """What is said beside weights about their network."""

    knobs: Mapping[str, object] = field(default_factory=dict)
    """What names and shapes leave open, and is told here."""
    unknown: tuple[str, ...] = ()
    """Names that are no network's we know of, each with where it stands."""
    otherwise: tuple[str, ...] = ()
    """What its answers are that those of ours are not, in words."""


def read_config(path: Path) -> dict[str, Any]:
    """Return the config.json of a hub's folder, or beside a file; empty if there is none."""
    config = (path if path.is_dir() else path.parent) / CONFIG
    try:
        found = read_json(config, is_ours=False)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def heed(name: Path | str, path: Path, inside: Mapping[str, Any]) -> Told:
    """Return what is said about the network that a file holds.

    Args:
        name: What the user called it.
        path: The file or folder.
        inside: What a checkpoint says of itself beside its tensors: arch, ...

    Raises:
        CheckpointError: If it is another network than ours, by its name or by its arguments.
    """
    unknown = []
    config = read_config(path)
    sources = ((f"{CONFIG} beside it", config), ("the file itself", inside))
    for where, words in sources:
        for name in _names(words):
            plain = _plain(name)
            if _is_ours(plain):
                continue
            kind = next((words for sign, words in _RELATIVES if re.fullmatch(sign, plain)), None)
            if kind is not None:
                raise CheckpointError(_another(where, name, kind), hint=_HINT)
            unknown.append(f"{where} calls the network {name}")
        _check_arguments(where, words)
    for own in (str(name), path.name):  # no sign but its name may tell such a network
        plain = _plain(re.sub(r"-[0-9a-f]{8}(?=\.)", "", own))
        kind = next((words for sign, words in _RELATIVES[:2] if re.fullmatch(sign, plain)), None)
        if kind is not None:
            raise CheckpointError(_another("its own name", own, kind), hint=_HINT)
    return Told(_of_transformers(config), tuple(unknown), _answers(config))


def _another(where: str, name: str, kind: str) -> str:
    return f"{where} says that the network is {name}: {kind}, which is no network of ours"


_NAME_KEYS = (
    "architecture", "arch", "model_name", "model", "backbone", "network", "net", "encoder", "encoder_name",
    "backbone_name", "model_arch", "arch_name", "timm_model", "base_model", "model_config", "model_cfg",
)  # fmt: skip


def _names(words: Mapping[str, Any]) -> Iterator[str]:
    """Give what the network is called, by timm, transformers and torch's examples."""
    inner = words.get("pretrained_cfg")
    places: list[object] = [words.get(key) for key in _NAME_KEYS]
    places.append(inner.get("architecture") if isinstance(inner, dict) else None)
    yield from dict.fromkeys(each for each in places if isinstance(each, str) and each)
    classes = words.get("architectures")
    kind = words.get("model_type")
    for each in (*(classes if isinstance(classes, list) else ()), kind):
        if isinstance(each, str) and not re.fullmatch(r"(TF|Flax)?ResNet(For\w+|Model|Backbone)", each):
            yield re.sub(r"(?<=\w)(For[A-Z]\w+|Model|Backbone)$", "", each)


def _plain(name: str) -> str:
    """Return a network's name without its owner, its tag and how people write it."""
    name = name.rpartition("/")[2].partition(".")[0].lower()
    return re.sub(r"(?<=resnet)[-_ ](?=\d)", "", name).replace("-", "_").replace(" ", "_")


def _is_ours(name: str) -> bool:
    if name in ("resnet", "timm_wrapper", "timmwrapper") or _OURS.fullmatch(name):
        return True
    try:
        model_spec(name)
    except UsageError:
        return False
    return True


def _check_arguments(where: str, words: Mapping[str, Any]) -> None:
    """Raise if the arguments make another network, or nobody knows what they do."""
    given = words.get("model_args")
    arguments: dict[str, Any] = dict(given) if isinstance(given, dict) else {}
    arguments |= {key: words[key] for key in ("global_pool", "output_stride") if key in words}
    wrong = {
        key: value
        for key, value in arguments.items()
        if key not in _HARMLESS
        and not any(value == plain or str(value) == str(plain) for plain in _PLAIN.get(key, ()))
    }
    if wrong:
        told = "; ".join(
            f"{key}={value}, {_WORDS.get(key, 'which is not known to leave it as it is')}"
            for key, value in wrong.items()
        )
        raise CheckpointError(
            f"{where} says that the network was made with {told}: no network of ours", hint=_HINT
        )
    activation = words.get("hidden_act")
    if words.get("model_type") == "resnet" and activation not in (None, "relu"):
        raise CheckpointError(
            f"{where} says that the activation is {activation}, not relu: no network of ours", hint=_HINT
        )


# transformers' PretrainedConfig.problem_type: what a model's logits are trained for, if not one class of all.
_PROBLEMS = {
    "multi_label_classification": "several labels at once, each with its own sigmoid",
    "regression": "numbers, and no classes",
}


def _answers(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what transformers' configuration says of answers that are not one class of several."""
    kind = config.get("problem_type")
    return (f"{_PROBLEMS[kind]} (problem_type {kind} in {CONFIG})",) if kind in (*_PROBLEMS,) else ()


def _of_transformers(config: Mapping[str, Any]) -> dict[str, object]:
    """Return what the configuration of transformers' ResNet says beyond names and shapes."""
    knobs: dict[str, object] = {}
    if config.get("model_type") != "resnet":
        return knobs
    if config.get("layer_type", "bottleneck") == "bottleneck":
        knobs["stride_on"] = "first" if config.get("downsample_in_bottleneck") else "3x3"
    if config.get("downsample_in_first_stage"):
        stages = config.get("depths")
        knobs["strides"] = (2,) * (len(stages) if isinstance(stages, list) else 4)
    return knobs
