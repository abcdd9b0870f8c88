"""The rows of the layer table: their sums, and the memory they tell of."""

import math
import re

import pytest
import torch

from resnetlab import create_model
from resnetlab.errors import UsageError
from resnetlab.forecast.memory import training_memory
from resnetlab.network.catalog import list_models, model_spec
from resnetlab.network.layers import Act, Conv, Layer, Linear, Norm, PadChannels, Pool
from resnetlab.recipe.named import named_recipe
from resnetlab.recipe.settings import override
from resnetlab.show.tables.rows import layer_rows, operation, row_json


@pytest.mark.parametrize("name", list_models())
def test_the_rows_add_up_to_the_networks_counts(name: str) -> None:
    check_sums(name, full=False)
    if model_spec(name).depth <= 200 or name == "preresnet1001":  # of a thousand layers one is enough
        check_sums(name, full=True)


def check_sums(name: str, *, full: bool) -> None:
    spec = model_spec(name)
    rows = layer_rows(spec, full=full)

    assert sum(row.count * row.parameters for row in rows) == spec.num_parameters
    assert sum(row.count * row.multiply_adds for row in rows) == spec.num_multiply_adds()
    first = 0 if spec.order == "pre" else 1  # stages.0 and layer1 are the first
    numbers = [re.search(r"\d+", row.unit) for row in rows]
    assert [row.stage for row in rows] == [int(n[0]) + 1 - first if n else 0 for n in numbers]
    if full:
        assert [row.path for row in rows] == [path for path, _, _ in spec.plan().placed()]
        assert {row.count for row in rows} == {1}


@pytest.mark.parametrize("name", ["resnet20", "resnet50_v2", "chaoji_resnet32", "keras_resnet20v2"])
def test_a_folded_row_is_each_of_the_rows_for_which_it_stands(name: str) -> None:
    """All but the receptive field, which is the last one's."""
    spec = model_spec(name)
    full = {row.path: row for row in layer_rows(spec, full=True)}

    for row in layer_rows(spec):
        stem, _, first = row.unit.rpartition(".")
        paths = [f"{stem}.{int(first) + i}.{row.name}" if row.unit else row.path for i in range(row.count)]
        for path in paths:
            twin = full.pop(path)
            assert (twin.operation, twin.output, twin.parameters) == (
                row.operation,
                row.output,
                row.parameters,
            )
            assert (twin.multiply_adds, twin.kept_numbers) == (row.multiply_adds, row.kept_numbers)
        assert twin.receptive_field == row.receptive_field
    assert full == {}


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (Conv("a", 3, 8, 3, 2, 1, False), "conv 3x3/2 pad 1"),
        (Conv("a", 3, 8, 1, 1, 0, True), "conv 1x1 +bias"),
        (Conv("a", 3, 8, 7, 2, "same", False), "conv 7x7/2 SAME"),
        (Norm("a", 8, True, 1e-5, 0.1, False), "BN"),
        (Norm("a", 8, False, 1e-5, 0.1, False), "BN, beta only"),
        (Act("a", 0.0), "ReLU"),
        (Act("a", 0.1), "leaky ReLU 0.1"),
        (Pool("a", "max", 3, 2, 1), "max 3x3/2 pad 1"),
        (Pool("a", "max", 3, 2, 1, zeros=True), "max 3x3/2 zeros 1"),
        (Pool("a", "average", 2, 2, "same"), "mean 2x2/2 SAME"),
        (Pool("a", "subsample", 1, 2, 0), "subsample /2"),
        (Pool("a", "global", 0, 1, 0), "mean"),
        (PadChannels("a", 8, 8), "pad channels 8+8"),
        (Linear("a", 64, 10), "linear"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_layer_has_its_words(layer: Layer, text: str) -> None:
    assert operation(layer) == text


def test_sizes_below_one_pixel_are_refused() -> None:
    with pytest.raises(UsageError, match="at least 1x1 px, got 0x32"):
        layer_rows(model_spec("resnet20"), height=0)


def test_json_has_the_layouts_order_and_the_batchs_bytes() -> None:
    first = layer_rows(model_spec("resnet20"), height=32, width=48)[0]

    nhwc = row_json(first, batch=3, layout="NHWC")
    assert nhwc["output"] == [32, 48, 16]
    assert row_json(first, batch=3, layout="NCHW")["output"] == [16, 32, 48]
    assert nhwc["kept_bytes"] == 3 * 4 * 16 * 32 * 48


def test_bench_and_table_tell_of_the_same_memory() -> None:
    """128 images more need, in a step's estimate, what the table says of 128 images."""
    spec, recipe = model_spec("resnet20"), named_recipe("quick")
    more, less = (
        training_memory(spec, override(recipe, {"batch": batch, "precision": "fp32"}), 32, 32).total
        for batch in (256, 128)
    )

    assert more - less == sum(row.count * row.kept_bytes(128) for row in layer_rows(spec))


KEPT = [
    ("resnet20", {}),
    ("plain20", {}),
    ("preresnet20", {"shortcut": "B"}),
    ("resnet18", {"width": 0.25, "input_size": 64}),
    ("resnet50", {"width": 0.25, "input_size": 64, "blocks": (1, 2, 1, 1)}),
    ("chaoji_resnet20", {}),
    ("tfresearch_resnet20", {}),
    ("keras_resnet20v2", {}),
]


@pytest.mark.parametrize(("name", "knobs"), KEPT, ids=[name for name, _ in KEPT])
def test_memory_is_about_what_torch_keeps_for_the_gradient(name: str, knobs: dict[str, object]) -> None:
    """Within 15 %, which the rule says of itself: every storage that autograd saved, counted once.

    The images and the max pool's indices come on top; they belong to no layer's output.
    """
    model, batch = create_model(name, **knobs).train(), 2
    spec = model.spec
    images = torch.randn(batch, spec.in_channels, spec.input_size, spec.input_size)
    own = [images, *model.parameters(), *model.buffers()]
    not_counted = {tensor.untyped_storage().data_ptr() for tensor in own}
    saved: dict[int, torch.Tensor] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.is_floating_point():
            saved[tensor.untyped_storage().data_ptr()] = tensor  # held, so that no other takes its place
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        logits = model(images)

    kept = sum(saved[key].untyped_storage().nbytes() for key in saved.keys() - not_counted)
    ours = sum(row.count * row.kept_bytes(batch) for row in layer_rows(spec))
    assert logits.requires_grad
    assert math.isclose(kept, ours, rel_tol=0.15), kept / ours
