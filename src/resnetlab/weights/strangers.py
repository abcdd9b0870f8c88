"""What a weight file that is no network of ours looks like, in words."""

import re

from resnetlab.weights.facts.naming import Shapes

# Patterns of names, the particular before the general, each with what has such names.
_SIGNS = (
    (r"conv1\.0\.weight|stem\.conv1\.weight", "a ResNet-C or -D, whose stem is three 3x3 convolutions"),
    (r"layer\d\.\d+\.conv2\.(radix|fc1|conv)\..*", "a ResNeSt"),
    (
        r"layer\d\.\d+\.se(_module)?\..*|stages\.\d\.blocks\.\d+\.se\..*",
        "an SE-ResNet (squeeze and excitation)",
    ),
    (r"layer\d\.\d+\.attn\..*", "a ResNet with attention"),
    (r"layer\d\.\d+\.bn2\.conv\d?\..*|layer\d\.\d+\.convs\..*", "a Res2Net"),
    (r"layer\d\.\d+\.downsample\.2\..*", "a ResNet with another shortcut"),
    (r"layer\d\.\d+\.(ca|sa|cbam|attention|ChannelGate|SpatialGate)\b.*", "a CBAM ResNet (attention)"),
    (r"layer\d\.\d+\.(fc\d?|avg_?pool)\..*", "an SE-ResNet (squeeze and excitation)"),
    (r"layer\d\.\d+\.bn\d\.(IN|BN)\..*", "an IBN-ResNet (instance normalisation)"),
    (
        r"(.*\.)?(\w*fake_quant\w*|_packed_params|zero_point|activation_post_process\w*)(\..*)?",
        "a quantised network",
    ),
    (r"resnet_v[12]_\d+/block1/.*", "a ResNet of TF-Slim"),
    (r"(.*\.)?cls_token|blocks\.\d+\.attn\..*|encoder_layer.*|.*encoder\.layers\..*", "a Vision Transformer"),
    (r"layers\.\d+\.blocks\.\d+\.attn\..*|features\.\d\.\d+\.attn\..*", "a Swin Transformer"),
    (
        r"stages\.\d\.blocks\.\d+\.conv_dw\..*|downsample_layers\..*|features\.\d\.\d+\.layer_scale",
        "a ConvNeXt",
    ),
    (r"features\.denseblock\d\..*|conv2_block1_0_bn/gamma_of_densenet", "a DenseNet"),
    (
        r"conv_stem\.weight|_blocks\.\d+\..*|blocks\.\d+\.\d+\.conv_(pw|dw)\..*",
        "an EfficientNet or MobileNet",
    ),
    (r"features\.0\.0\.weight|Conv1/kernel|expanded_conv.*", "an EfficientNet or MobileNet"),
    (r"features\.0\.weight|block1_conv1/kernel", "a VGG or AlexNet"),
    (r"Conv2d_1a_3x3\..*|Mixed_5b\..*", "an Inception"),
    (r"block\d+_sepconv\d.*", "an Xception"),
    (r"(s1|trunk_output)\..*", "a RegNet"),
    (r"(.*\.)?(attention|attn|self_attn)\..*", "a transformer"),
)


# ResNets whose names nobody reads: detectron2's, PaddlePaddle's, ...
_UNREAD = (
    (r"(.*\.)?res2\.0\.conv1\.norm\.weight", "a ResNet of detectron2"),
    (r"res2_0_branch2a_w", "a ResNet of Caffe2"),
    (r"(.*\.)?bn1\._mean", "a ResNet of PaddlePaddle"),
    (r"(.*\.)?features\.stage1\.unit1\.body\.conv1\.conv\.weight", "a ResNet of pytorchcv"),
    (
        r"(.*\.)?conv1\.weight_orig",
        "a network that is being pruned (torch's prune.remove makes it a plain one)",
    ),
)


def unread(shapes: Shapes) -> str:
    """Return whose names a residual network has that are not read, or an empty string."""
    for pattern, words in _UNREAD:
        found = next((name for name in shapes if re.fullmatch(pattern, name)), None)
        if found is not None:
            return f"{words}, in names that are not read ({found})"
    return ""


def describe(shapes: Shapes) -> str:
    """Return what the names and shapes look like, or an empty string if nobody knows."""
    for pattern, words in _SIGNS:
        found = next((name for name in shapes if re.fullmatch(pattern, name)), None)
        if found is not None:
            return f"{words} ({found})"
    if (found := dilated(shapes)) is not None:
        return found
    for name, shape in shapes.items():
        branch = re.fullmatch(r"layer\d\.\d+\.conv2\.weight", name)
        if branch and len(shape) == 4 and f"{name[:-13]}.conv3.weight" in shapes and shape[1] != shape[0]:
            return f"a ResNeXt ({name}: {shape[0] // shape[1]} groups)"
    norms = [
        name for name in shapes if re.fullmatch(r"(layer1\.0\.bn1|bn1|layer1\.0\.norm1|norm1)\.weight", name)
    ]
    if norms and not any("running_" in name for name in shapes):
        return f"a ResNet with group or layer normalisation ({norms[0]}: no running statistics)"
    own, given = shapes.get("layer2.0.bn1.weight", ()), shapes.get("layer2.0.conv1.weight", ())
    if len(given) == 4 and own == (given[1],) and given[0] != given[1]:
        return "a pre-activation ResNet in torchvision's names (layer2.0.bn1 has its input's channels)"
    if "stages.0.blocks.0.norm1.weight" in shapes and not any("running_mean" in name for name in shapes):
        return "a Big Transfer ResNet (group normalisation: no running statistics)"
    return ""


def dilated(shapes: Shapes) -> str | None:
    """Return what a segmentation network is, whose ResNet has the names of one that is not dilated."""
    pattern = r"(.*[./])?(aspp\w*|ppm|psp\w*|decode_head|(classifier|decoder)\.\d\.convs)[./].*"
    first = r"(.*\.)?(aux_)?classifier\.0\.weight"
    for name, shape in shapes.items():
        if re.fullmatch(pattern, name) or (re.fullmatch(first, name) and shape[2:] == (3, 3)):
            return f"a segmentation network ({name}), whose ResNet is dilated in its last stages"
    return None
