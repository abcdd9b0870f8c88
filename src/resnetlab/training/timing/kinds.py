"""Kinds of work in a step, and to which of them each operation of torch belongs, by its name."""

import re

KINDS = {
    "forward": "convolution, forward",
    "by_input": "convolution, by input",
    "by_weights": "convolution, by weights",
    "norm": "BN, ReLU, addition",
    "head": "pooling, classifier",
    "loss": "loss",
    "optimizer": "optimizer",
    "data": "data",
    "copies": "copies, casts",
    "rest": "the rest",
}
"""What each is called. Data: cutting, augmenting, normalising. Copies: into other types and orders in memory,
weights packed for kernels. The rest: Python, what starts operations, and what is none of these."""

PASSES = ("forward", "by_input", "by_weights")
"""Those of convolutions."""

STEP = "resnetlab step"
"""The range of a whole step."""

_SCOPE = "resnetlab "


def scope_of(kind: str) -> str:
    """Return the name of a range that is all of one kind."""
    return f"{_SCOPE}{kind}"


_OF_COMPILER = re.compile(r"cpp_fused|triton_")
_FUSED = (
    ("norm", ("batch_norm", "relu", "threshold")),
    ("loss", ("log_softmax", "nll_loss", "cross_entropy")),
    ("head", ("mean", "pool", "addmm")),
    ("norm", ("add",)),
)
"""What a compiled kernel is, by the first of these that is among the operations fused into it."""

_PREFIX = re.compile(r"^(?:autograd::engine::evaluate_function: )?(?:\w+::)*")
_OPERATIONS = (
    ("backward", r"\w*conv\w*_backward|ConvolutionBackward\d*|MkldnnConvolutionBackward\d*"),
    ("forward", r"_?conv\w*|mkldnn_convolution|thnn_conv2d|_convolution_pointwise\w*"),
    ("norm", r"\w*batch_norm\w*|relu_?|threshold_backward|clamp_min_?|leaky_relu\w*|add_?|mul_?|"
     r"NativeBatchNormBackward\d*|BatchNormBackward\d*|ReluBackward\d*|LeakyReluBackward\d*|AddBackward\d*|"
     r"MulBackward\d*|cat|CatBackward\d*"),
    ("head", r"\w*pool2d\w*|mean|linear|addmm|mm|matmul|t|\w*Pool2DBackward\w*|MeanBackward\d*|"
     r"AddmmBackward\d*|TBackward\d*|div_?|DivBackward\d*|expand|sum"),
    ("loss", r"\w*softmax\w*|nll_loss\w*|cross_entropy\w*|LogSoftmaxBackward\d*|NllLossBackward\d*"),
    ("copies", r"to|_to_copy|copy_|clone|contiguous|\w*pad\w*|ToCopyBackward\d*|CloneBackward\d*|"
     r"AccumulateGrad|ConstantPadNdBackward\d*|\w*reorder\w*|detach_?"),
)  # fmt: skip


def kind_of(name: str) -> str | None:
    """Return the kind of an operation, "backward" for both gradients of a convolution, None if it has none.

    Args:
        name: In torch.profiler: of an operator, a node of autograd, a compiled kernel, a range of ours.
    """
    if name.startswith(_SCOPE):
        kind = name.removeprefix(_SCOPE)
        return kind if kind in KINDS else None
    if name.startswith("Optimizer."):
        return "optimizer"
    if _OF_COMPILER.search(name):
        return next((kind for kind, parts in _FUSED if any(part in name for part in parts)), "copies")
    bare = _PREFIX.sub("", name)
    return next((kind for kind, pattern in _OPERATIONS if re.fullmatch(pattern, bare)), None)
