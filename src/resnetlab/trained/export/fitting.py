"""Is this network one that another library has? Then its tensors, as that library's constants want them."""

from collections.abc import Iterator, Mapping, Sequence

from torch import Tensor

from resnetlab.base.plaindata import to_plain
from resnetlab.base.units import first_of
from resnetlab.errors import UsageError
from resnetlab.network.catalog import model_spec
from resnetlab.network.spec import KNOBS, ModelSpec
from resnetlab.trained.artefact.model import Artefact
from resnetlab.weights.facts.naming import expected_shapes
from resnetlab.weights.recognising import followed_by_norm

# Knobs that do not change what a trained network computes, or that are the data's own.
_FREE = frozenset(
    (
        "name", "source", "classes", "in_channels", "input_size", "conv_init", "fc_init",
        "zero_init_residual", "stochastic_depth", "bn_momentum", "preact_momentum", "bn_biased_variance",
        "published_parameters", "published_multiply_adds",
    )
)  # fmt: skip
# Knobs whose difference is made up for exactly in the tensors.
_MENDED = frozenset(("bn_eps", "conv_bias"))
_MOST = 4
_WORDS = {
    "stride_on": {
        "first": "on the first 1x1 (v1)",
        "3x3": "on the 3x3 (v1.5)",
        "last-3x3": "in the last unit",
    },
}


def fit(
    artefact: Artefact, candidates: Mapping[str, ModelSpec], library: str
) -> tuple[str, dict[str, Tensor]]:
    """Return the name of the candidate that the network is, and its tensors for that.

    BN's constant under the root is made up for in the running variance, a bias before a BN in its
    running mean; both are exact.

    Args:
        artefact: The network.
        candidates: The library's networks, by its names.
        library: For the error.

    Raises:
        UsageError: If it is none of them, saying what is otherwise in the nearest.
    """
    spec = artefact.spec
    found = {name: _differences(spec, theirs) for name, theirs in candidates.items()}
    name = min(found, key=lambda each: _distance(found[each]))
    if found[name]:
        raise UsageError(
            f"{library} has no network like {_described(spec)}; the nearest, {name}, differs: "
            + _told_all(found[name], spec, candidates[name]),
            hint="--to onnx and --to torch-export take every network.",
        )
    return name, _mend(artefact, candidates[name])


def _described(spec: ModelSpec) -> str:
    """Return the network's name, and the stages if they are not the name's."""
    return f"{spec.name} with {texts}" if (texts := ", ".join(_stage_texts(spec))) else spec.name


def _stage_texts(spec: ModelSpec) -> Iterator[str]:
    named = model_spec(spec.name)
    for knob in ("blocks", "widths"):
        if (own := getattr(spec, knob)) != getattr(named, knob):
            yield f"{knob} {', '.join(map(str, own))}"


def _differences(spec: ModelSpec, theirs: ModelSpec) -> list[str]:
    """Return the knobs in which the two differ, if they are two networks; the plan decides that."""
    own, other = to_plain(spec), to_plain(theirs)
    free = _FREE | _MENDED
    if spec.stem_norm and theirs.stem_norm and {spec.max_pool, theirs.max_pool} == {"torch", "zeros"}:
        free |= {"max_pool"}  # after a ReLU nothing is below zero
    aligned = theirs.with_(**{knob: getattr(spec, knob) for knob in free if knob in KNOBS})
    if aligned.plan() == spec.plan():
        return []
    return [knob for knob in own if knob not in free and own[knob] != other[knob]]


def _distance(knobs: Sequence[str]) -> tuple[int, int]:
    """Sort by what makes another network before what makes another variant of it."""
    return sum(knob in ("blocks", "unit", "order", "stem") for knob in knobs), len(knobs)


def _told_all(knobs: Sequence[str], spec: ModelSpec, theirs: ModelSpec) -> str:
    return first_of([_told(knob, spec, theirs) for knob in knobs], _MOST, between="; ")


def _told(knob: str, spec: ModelSpec, theirs: ModelSpec) -> str:
    own, other = (to_plain(each)[knob] for each in (spec, theirs))
    words = _WORDS.get(knob, {})
    if words:
        own, other = words.get(own, own), words.get(other, other)
    return f"{knob.replace('_', ' ')} is {own} here, {other} there"


def _mend(artefact: Artefact, theirs: ModelSpec) -> dict[str, Tensor]:
    spec, tensors = artefact.spec, dict(artefact.tensors)
    if not theirs.conv_bias and spec.conv_bias:
        norms = followed_by_norm(spec)
        for key in [key for key in tensors if key.endswith(".bias") and _is_convolution(key, tensors)]:
            norm = norms.get(key.removesuffix(".bias"))
            if norm is None:
                if tensors[key].any():
                    raise UsageError(f"{key}: a bias that no BN follows has no place there")
                del tensors[key]
                continue
            mean = f"{norm}.running_mean"
            tensors[mean] = tensors[mean] - tensors.pop(key)
    if theirs.conv_bias and not spec.conv_bias:
        wanted = expected_shapes(theirs.with_(classes=spec.classes, in_channels=spec.in_channels))
        some = tensors[next(iter(tensors))]
        tensors |= {key: some.new_zeros(shape) for key, shape in wanted.items() if key not in tensors}
    shift = spec.bn_eps - theirs.bn_eps
    if shift:
        for key in [key for key in tensors if key.endswith("running_var")]:
            tensors[key] = (tensors[key].double() + shift).to(tensors[key].dtype)
    return tensors


def _is_convolution(key: str, tensors: Mapping[str, Tensor]) -> bool:
    weight = tensors.get(f"{key.removesuffix('.bias')}.weight")
    return weight is not None and weight.dim() == 4
