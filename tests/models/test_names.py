"""Module names are the published ones, so that published weights fit by name."""

from resnetlab import create_model

BN = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def norm(path: str) -> list[str]:
    return [f"{path}.{each}" for each in BN]


def test_torchvision_names_of_resnet50_in_order() -> None:
    """torchvision/models/resnet.py, Bottleneck: the state dict of resnet50, key by key."""
    expected = ["conv1.weight", *norm("bn1")]
    for stage, count in enumerate((3, 4, 6, 3), 1):
        for index in range(count):
            unit = f"layer{stage}.{index}"
            for i in (1, 2, 3):
                expected += [f"{unit}.conv{i}.weight", *norm(f"{unit}.bn{i}")]
            if index == 0:
                expected += [f"{unit}.downsample.0.weight", *norm(f"{unit}.downsample.1")]
    expected += ["fc.weight", "fc.bias"]

    assert expected == list(create_model("resnet50", device="meta").state_dict())


def test_torchvision_names_of_resnet18_in_order() -> None:
    """torchvision/models/resnet.py, BasicBlock: no projection in the first stage."""
    expected = ["conv1.weight", *norm("bn1")]
    for stage in (1, 2, 3, 4):
        for index in (0, 1):
            unit = f"layer{stage}.{index}"
            for i in (1, 2):
                expected += [f"{unit}.conv{i}.weight", *norm(f"{unit}.bn{i}")]
            if index == 0 and stage > 1:
                expected += [f"{unit}.downsample.0.weight", *norm(f"{unit}.downsample.1")]
    expected += ["fc.weight", "fc.bias"]

    assert expected == list(create_model("resnet18", device="meta").state_dict())


def test_timm_names_of_resnet50_v2() -> None:
    """timm/models/resnetv2.py, PreActBottleneck: the keys of resnetv2_50 (timm's order differs)."""
    expected = ["stem.conv.weight"]
    for stage, count in enumerate((3, 4, 6, 3)):
        for index in range(count):
            unit = f"stages.{stage}.blocks.{index}"
            for i in (1, 2, 3):
                expected += [*norm(f"{unit}.norm{i}"), f"{unit}.conv{i}.weight"]
            if index == 0:
                expected += [f"{unit}.downsample.conv.weight"]
    expected += [*norm("norm"), "head.fc.weight", "head.fc.bias"]

    assert sorted(expected) == sorted(create_model("resnet50_v2", device="meta").state_dict())


def test_keras_v2_has_a_stem_norm_and_no_norm_before_its_first_convolution() -> None:
    """The names that the published layouts lack: stem.norm, and biases of convolutions."""
    keys = set(create_model("keras_resnet20v2", device="meta").state_dict())

    assert {*norm("stem.norm"), "stem.conv.bias", "stages.0.blocks.0.downsample.conv.bias"} <= keys
    assert "stages.0.blocks.0.norm1.weight" not in keys
    assert "stages.1.blocks.0.norm1.weight" in keys


def test_stages_can_be_indexed_and_called() -> None:
    """model.layer1[0] is the first unit, as in torchvision."""
    model = create_model("resnet20", device="meta")

    assert model.layer1[0] is model.get_submodule("layer1.0")
    assert len(model.layer3) == 3
