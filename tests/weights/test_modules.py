"""A whole module says what names and shapes do not: it is heeded, or refused."""

import zipfile
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from resnetlab.weights.files.inert import Inert
from resnetlab.weights.files.modules import beyond_the_body, knobs_of, oddities
from resnetlab.weights.files.scripts import heed_code
from resnetlab.weights.files.torch_file import read
from resnetlab.weights.files.unpickle import _main as read_here
from resnetlab.weights.files.wrapped import unwrap
from tests.kit.torch_files import save


class Unit(nn.Module):
    def __init__(
        self, act: nn.Module, *, first: bool = False, dilation: int = 1, eps: float = 1e-5, stride: int = 2
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(4, 2, 1, stride if first else 1, bias=False)
        self.bn1, self.act = nn.BatchNorm2d(2, eps=eps), act
        self.conv2 = nn.Conv2d(2, 2, 3, 1 if first else stride, dilation, dilation, bias=False)
        self.conv3 = nn.Conv2d(2, 4, 1, bias=False)
        self.downsample = nn.Sequential(nn.Conv2d(4, 4, 1, stride), nn.BatchNorm2d(4, eps=eps))

    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = self.conv3(self.conv2(self.act(self.bn1(self.conv1(images)))))
        return found


class Net(nn.Module):
    def __init__(self, act: nn.Module | None = None, pool: nn.Module | None = None, **unit: object) -> None:
        super().__init__()
        act = act or nn.ReLU()
        self.conv1, self.act1 = nn.Conv2d(3, 4, 7, 2, 3, bias=False), act
        self.maxpool = pool or nn.MaxPool2d(3, 2, 1)
        self.layer1, self.layer2 = nn.Sequential(Unit(act, stride=1)), nn.Sequential(Unit(act, **unit))  # type: ignore[arg-type]
        self.avgpool, self.fc = nn.AvgPool2d(7), nn.Linear(4, 2)

    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = self.layer2(self.layer1(self.maxpool(self.act1(self.conv1(images)))))
        return found


class BlurPool2d(nn.Module):
    """timm's has no persistent tensors."""


def unpadded(net: Net) -> Net:
    net.layer1[0].conv2.padding = (0, 0)  # type: ignore[union-attr]
    return net


def sloped(net: Net) -> Net:
    net.act1 = nn.LeakyReLU(0.1)
    return net


def module_of(net: object, path: Path):  # type: ignore[no-untyped-def]
    return unwrap(read(save(net, path)).value).module


@pytest.mark.parametrize("wrap", [lambda net: net, lambda net: {"model": net}, nn.DataParallel])
@pytest.mark.parametrize(("first", "expected"), [(True, "first"), (False, "3x3")])
def test_where_a_bottleneck_strides_is_read(tmp_path: Path, first: bool, expected: str, wrap) -> None:  # type: ignore[no-untyped-def]
    module = module_of(wrap(Net(first=first)), tmp_path / "x.pth")

    assert oddities(module) == []
    assert knobs_of(module) == {
        "stride_on": expected, "stem_stride": 2, "stem_pool": True, "bn_eps": 1e-5
    }  # fmt: skip


def test_constants_and_slopes_are_read(tmp_path: Path) -> None:
    net = Net(act=nn.LeakyReLU(0.1), pool=nn.Identity(), eps=1e-3)
    net.layer1[0] = Unit(nn.LeakyReLU(0.1), eps=1e-3, stride=1)
    knobs = knobs_of(module_of(net, tmp_path / "x.pth"))

    assert (knobs["act_slope"], knobs["bn_eps"], knobs["stem_pool"]) == (0.1, 1e-3, False)


@pytest.mark.parametrize(
    ("net", "said"),
    [
        (lambda: Net(act=nn.SiLU()), "SiLU at act1 (another activation)"),
        (lambda: Net(act=nn.GELU()), "GELU at act1 (another activation)"),
        (lambda: Net(pool=BlurPool2d()), "BlurPool2d at maxpool (pools against aliasing)"),
        (lambda: Net(dilation=2), "Conv2d at layer2.0.conv2 (dilated convolutions)"),
        (lambda: unpadded(Net()), "Conv2d at layer1.0.conv2 (another padding)"),
        (lambda: Net(pool=nn.MaxPool2d(2, 2)), "MaxPool2d at maxpool (another pool than 3x3, stride 2)"),
        (lambda: Net(eps=1e-3), "several BN constants (1e-05, 0.001)"),
        (lambda: sloped(Net()), "several slopes of its activations (0, 0.1)"),
    ],
)
def test_a_module_of_another_network_is_refused(tmp_path: Path, net, said: str) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "x.pth"
    save(net(), path)

    problem = str(read_here(str(path), str(tmp_path / "target"))["problem"])

    assert problem.startswith("is a whole module with ") and said in problem


def test_average_pools_in_the_shortcut_are_another_network_and_the_last_one_is_not(tmp_path: Path) -> None:
    net = Net()
    net.layer2[0].downsample = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(4, 4, 1))  # type: ignore[union-attr]

    assert oddities(module_of(net, tmp_path / "x.pth")) == [
        "AvgPool2d at layer2.0.downsample.0 (average pools within the stages)"
    ]


def test_a_script_tells_its_activations(tmp_path: Path) -> None:
    net = Net(act=nn.SiLU()).eval()
    with torch.no_grad():
        torch.jit.trace(net, torch.zeros(1, 3, 64, 64)).save(str(tmp_path / "x.pt"))

    assert "SiLU" in str(read_here(str(tmp_path / "x.pt"), str(tmp_path / "target"))["problem"])


def script_of(net: nn.Module, path: Path, *, is_traced: bool) -> Inert:
    """The module that is read of a TorchScript program of the net."""
    with torch.no_grad():
        made = torch.jit.trace(net, torch.zeros(1, 3, 64, 64)) if is_traced else torch.jit.script(net)
    made.save(str(path))
    module = unwrap(read(path).value).module
    assert module is not None
    return module


@pytest.mark.parametrize("is_traced", [True, False])
def test_a_script_says_in_its_code_what_a_module_says_in_its_attributes(
    tmp_path: Path, is_traced: bool
) -> None:
    """Strides, the stem, BN's constant, a slope."""
    net = Net(act=nn.LeakyReLU(0.2), eps=1e-3).eval()
    for unit in (net.layer1[0], net.layer2[0]):
        unit.bn1.eps = unit.downsample[1].eps = 1e-3  # type: ignore[union-attr, index]
    net.layer2[0].conv2.stride = net.layer2[0].downsample[0].stride = (1, 1)  # type: ignore[index, union-attr]
    net.conv1.stride = (1, 1)

    told = knobs_of(script_of(net, tmp_path / "x.pt", is_traced=is_traced))

    assert told == knobs_of(module_of(net, tmp_path / "x.pth"))
    assert (told["strides"], told["stem_stride"], told["bn_eps"], told["act_slope"]) == ([1, 1], 1, 1e-3, 0.2)


@pytest.mark.parametrize("constant", ["{[]: 1}", f"{'-' * 100_000}1", f"{'(' * 300}1"])
def test_a_constant_that_python_cannot_read_is_passed_over(tmp_path: Path, constant: str) -> None:
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as archive:
        archive.writestr("x/code/a.py", f"class Conv2d(Module):\n  odd : Final[int] = {constant}\n")
        heed_code(None, archive, "x/")


@pytest.mark.parametrize("is_traced", [True, False])
@pytest.mark.parametrize("change", ["dilation", "padding", "pool", "nothing"])
def test_a_script_of_another_network_is_known_by_its_code(
    tmp_path: Path, change: str, is_traced: bool
) -> None:
    net = Net(dilation=2 if change == "dilation" else 1).eval()
    net = unpadded(net) if change == "padding" else net
    net.maxpool = nn.MaxPool2d(3, 2, 1, ceil_mode=True) if change == "pool" else net.maxpool

    told = oddities(script_of(net, tmp_path / "x.pt", is_traced=is_traced))

    assert told == oddities(module_of(net, tmp_path / "x.pth"))
    assert bool(told) is (change != "nothing")


def test_a_last_stage_that_does_not_stride_is_read(tmp_path: Path) -> None:
    net = Net()
    net.layer2[0].conv2.stride = net.layer2[0].downsample[0].stride = (1, 1)  # type: ignore[index, union-attr]

    assert knobs_of(module_of(net, tmp_path / "x.pth"))["strides"] == [1, 1]


@pytest.mark.parametrize(
    ("classifier", "said"),
    [
        (lambda: nn.Linear(4, 2), []),
        (lambda: nn.Sequential(nn.ReLU(), nn.Dropout(), nn.Linear(4, 2), nn.LogSoftmax(1)), []),
        (lambda: nn.Sequential(nn.Linear(4, 1), nn.Sigmoid()), []),
        (lambda: nn.Sequential(nn.Linear(4, 2), nn.Sigmoid()), ["Sigmoid at fc.1"]),
        (lambda: nn.Sequential(nn.Linear(4, 2), nn.ReLU()), ["ReLU at fc.1"]),
        (lambda: nn.Sequential(nn.Tanh(), nn.Linear(4, 2)), ["Tanh at fc.0"]),
        (lambda: nn.Sequential(nn.Softmax(1), nn.Linear(4, 2)), ["Softmax at fc.0"]),
    ],
)
@pytest.mark.parametrize("is_script", [False, True])
def test_what_stands_around_a_classifier_is_told_where_it_changes_the_answers(
    tmp_path: Path,
    classifier,
    said: list[str],
    is_script: bool,  # type: ignore[no-untyped-def]
) -> None:
    net = Net()
    net.fc = classifier()
    if is_script:
        net.forward = lambda images: net.fc(images.mean((2, 3))[:, :1] + torch.ones(4))  # type: ignore[method-assign]
        torch.jit.trace(net.eval(), torch.zeros(1, 3, 8, 8)).save(str(tmp_path / "x.pt"))
        module = unwrap(read(tmp_path / "x.pt").value).module
    else:
        module = module_of(net, tmp_path / "x.pth")

    assert module is not None and beyond_the_body(module) == said


def test_the_largest_values_of_the_maps_are_no_average(tmp_path: Path) -> None:
    net = Net()
    net.avgpool = nn.AdaptiveMaxPool2d(1)

    (said,) = beyond_the_body(module_of(net, tmp_path / "x.pth"))
    assert said.startswith("AdaptiveMaxPool2d at avgpool (")
    assert read_here(str(tmp_path / "x.pth"), str(tmp_path / "target"))["otherwise"] == [said]
