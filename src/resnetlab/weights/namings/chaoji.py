"""chao-ji/tf-resnet-cifar10: the slim names of TensorFlow 1, the object paths of TensorFlow 2.

A plain network's names are those of the residual one: the file does not tell them apart.
"""

import re
from collections.abc import Callable

from resnetlab.network.catalog import model_spec
from resnetlab.weights.facts.measure import measure, to_torch_shapes
from resnetlab.weights.facts.naming import Dialect, Match, Shapes, rename_leaf
from resnetlab.weights.facts.preprocessings import CHAOJI
from resnetlab.weights.namings.official import IGNORED

_UNIT_TF1 = re.compile(r"block(\d)/unit_(\d{1,6})/unit_fn_v2/(.+)")
_PARTS_TF1 = {"preact": "norm1", "conv1": "conv1", "conv1/BatchNorm": "norm2", "conv2": "conv2"}
_FIXED_TF1 = {"init_conv": "stem.conv", "postnorm": "norm"}
_UNIT_TF2 = re.compile(r"_block(\d)/layer(?:_with_weights)?-(\d{1,6})/_(bn|conv)([12])")
_FIXED_TF2 = {"_init_conv": "stem.conv", "_final_bn": "norm"}
_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"

NOTE = "A plain network has the same names: taken is the residual one unless the network given is plain."


def _tf1(name: str) -> str | None:
    if name in _FIXED_TF1:
        return _FIXED_TF1[name]
    match = _UNIT_TF1.fullmatch(name)
    if match is None or match[3] not in _PARTS_TF1:
        return None
    return f"stages.{int(match[1]) - 1}.blocks.{int(match[2]) - 1}.{_PARTS_TF1[match[3]]}"


def _tf2(name: str) -> str | None:
    if name in _FIXED_TF2:
        return _FIXED_TF2[name]
    match = _UNIT_TF2.fullmatch(name)
    if match is None:
        return None
    part = {"bn": "norm", "conv": "conv"}[match[3]]
    return f"stages.{int(match[1]) - 1}.blocks.{match[2]}.{part}{match[4]}"


def _reader(
    signature: str, rename: Callable[[str], str | None], family: str, suffix: str
) -> Callable[[Shapes], Match | None]:
    def match(shapes: Shapes) -> Match | None:
        if signature + suffix not in shapes:
            return None
        keys = {
            name: ours
            for name in shapes
            if name.endswith(suffix) and (ours := rename_leaf(name.removesuffix(suffix), rename)) is not None
        }
        measured = measure(to_torch_shapes(keys, shapes, "tensorflow"))
        spec = model_spec(f"{family}{2 + 6 * measured.blocks[0]}")
        return Match(keys, measured.apply(spec), CHAOJI)

    return match


CHAOJI_TF1 = Dialect(
    "chaoji-tf1",
    "chao-ji's trainer for TensorFlow 1",
    "tensorflow",
    _reader("block1/unit_1/unit_fn_v2/preact/beta", _tf1, "chaoji_resnet", ""),
    "block1/unit_1/unit_fn_v2/preact/beta",
    r"(init_conv|block\d|postnorm)/.*",
    open_knobs=frozenset({"shortcut"}),
    ignored=IGNORED,
    note=NOTE,
)
CHAOJI_TF2 = Dialect(
    "chaoji-tf2",
    "chao-ji's trainer for TensorFlow 2",
    "tensorflow",
    _reader("_init_conv/kernel", _tf2, "chaoji_tf2_resnet", _VALUE),
    re.escape(f"_init_conv/kernel{_VALUE}"),
    r"(_init_conv|_block\d|_final_bn)/(?!.*/\.OPTIMIZER_SLOT/).*",
    suffix=_VALUE,
    open_knobs=frozenset({"shortcut"}),
    ignored={
        rf".*/\.OPTIMIZER_SLOT/.*{re.escape(_VALUE)}": "the optimizer's",
        rf"(.*/)?optimizer/.*{re.escape(_VALUE)}": "the optimizer's",
        rf"(.*/)?save_counter{re.escape(_VALUE)}": "the count of saved checkpoints",
    },
    note=NOTE,
)
