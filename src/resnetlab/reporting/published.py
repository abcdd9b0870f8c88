"""Errors that the two ResNet papers print for networks of the catalog, in %."""

from resnetlab.catalog import list_models, model_spec
from resnetlab.spec import ModelSpec

HE2015, HE2016 = "He et al., 2015, Table 6", "He et al., 2016, Table 3"
ABLATION = "He et al., 2016, Table 2"

_ERRORS: dict[tuple[str, str], tuple[str, str]] = {
    ("cifar10", "resnet20"): ("8.75", HE2015),
    ("cifar10", "resnet32"): ("7.51", HE2015),
    ("cifar10", "resnet44"): ("7.17", HE2015),
    ("cifar10", "resnet56"): ("6.97", HE2015),
    ("cifar10", "resnet110"): ("6.61 ± 0.16", HE2015),  # best of 5: 6.43
    ("cifar10", "resnet1202"): ("7.93", HE2015),
    ("cifar10", "resnet164"): ("5.93", HE2016),
    ("cifar10", "preresnet110"): ("6.37", HE2016),
    ("cifar10", "preresnet164"): ("5.46", HE2016),
    ("cifar10", "preresnet1001"): ("4.92", HE2016),
    ("cifar10", "resnet164_bn_after_add"): ("6.50", ABLATION),
    ("cifar10", "resnet164_relu_before_add"): ("6.14", ABLATION),
    ("cifar10", "resnet110_relu_only_preact"): ("6.71", ABLATION),
    ("cifar10", "resnet164_relu_only_preact"): ("5.91", ABLATION),
    ("cifar100", "resnet164"): ("25.16", HE2016),
    ("cifar100", "preresnet164"): ("24.33", HE2016),
    ("cifar100", "preresnet1001"): ("22.71", HE2016),
}
"""By dataset and network. He et al., 2015: arXiv:1512.03385; 2016: arXiv:1603.05027."""


def published_error(spec: ModelSpec, data: str) -> str:
    """Return the error that the papers print for this network on this data, in %, or ""."""
    error, _ = _ERRORS.get((data, spec.name), ("", ""))
    if not error or spec.name not in list_models():
        return ""
    named = model_spec(spec.name).with_(classes=spec.classes)
    return error if spec == named else ""


def source_of(spec: ModelSpec, data: str) -> str:
    """Return where `published_error` is from, or ""."""
    return _ERRORS[data, spec.name][1] if published_error(spec, data) else ""
