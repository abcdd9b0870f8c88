"""A network in words: its heading, and the table of its layers, for a terminal or in Markdown."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from resnetlab.base.plaindata import convert
from resnetlab.base.units import format_bytes, format_count, format_rounded
from resnetlab.network.catalog import changed_texts
from resnetlab.network.layers import image_size
from resnetlab.network.spec import ModelSpec
from resnetlab.show.tables.align import NO_BREAK, fitting_table, markdown_table, text_width, titled
from resnetlab.show.tables.rows import BYTES_PER_NUMBER, LayerRow, Layout, arranged, check_batch, layer_rows
from resnetlab.show.tables.sentences import shortcut_text

MULTIPLY_ADDS = (
    "products in convolutions and classifier, one image; FLOPs in the papers' sense; times 2 for"
    " floating-point operations"
)
_FIELD = (
    "receptive field in pixels: from 1, each layer adds (kernel - 1) x the product of the strides before it"
    " (Araujo et al., Distill, 2019); the longest path's; where it exceeds the image, it is the image"
)


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of the table. `depth` is 0 for a stage, 1 for a unit, 2 for a layer."""

    depth: int
    label: str
    path: str
    operation: str
    output: str
    numbers: tuple[str, str, str, str]


def summary(
    spec: ModelSpec,
    *,
    full: bool = False,
    height: int | None = None,
    width: int | None = None,
    batch: int = 128,
    markdown: bool = False,
    layout: Layout = "NCHW",
    columns: int | None = None,
) -> str:
    """Return the network's heading and the table of its layers, with stages' sums and what the columns mean.

    Args:
        spec: The network.
        full: Every layer; equal units are folded into one otherwise.
        height: Of the images, in pixels; the nominal size by default.
        width: Of the images.
        batch: Images for which the memory of activations is given.
        markdown: A table in GitHub's Markdown.
        layout: The order of the shapes' axes; the batch is left out.
        columns: What the lines have to fit, if anything: the table goes without the receptive field, then
            without the memory. Below 75 or so they do not all fit. Not of Markdown.

    Raises:
        UsageError: If batch or size are no whole numbers from 1 on, there is no such layout, or the
            strides do not allow the size.
    """
    check_batch(batch)
    convert(Layout, layout, "layout")
    height, width = image_size(spec.input_size, height, width)
    rows = layer_rows(spec, full=full, height=height, width=width)
    lines = [*_lines(rows, batch, layout), _total(rows, batch), *_published(spec, height, width)]
    head = ("layer", "operation", "x".join(layout[1:]), "parameters", "multiply-adds", "field", "memory")
    notes = _notes(rows, batch)
    if markdown:
        cells = [_markdown_cells(line) for line in lines]
        paragraphs = [f"- {title}: {text}" for title, text in notes.items()]
        bullets = [
            f"- {' '.join(f'{t}: {f}'.split())}" for t, f in _facts(spec, height, width, layout).items()
        ]
        return "\n".join(
            [f"{spec.name}: {spec.source}", "", *bullets, "", markdown_table(head, cells, 2), "", *paragraphs]
        )
    cells = [_text_cells(line) for line in lines]
    text, left_out = fitting_table(head, cells, 2, columns, ("field", "memory"))
    wrapped = [
        titled(f"{title:<13}  ", note, width=text_width(columns))
        for title, note in notes.items()
        if title not in left_out
    ]
    top = heading(spec, height, width, layout, columns=columns)
    return "\n".join([top, "", text, "", *wrapped])


def heading(
    spec: ModelSpec, height: int, width: int, layout: Layout = "NCHW", *, columns: int | None = None
) -> str:
    """Return what counts of the network in a few lines, for images of that size."""
    facts = _facts(spec, height, width, layout)
    lines = (titled(f"  {title:<8}  ", fact, width=text_width(columns)) for title, fact in facts.items())
    title = titled("", f"{spec.name}: {spec.source}", width=text_width(columns))
    return "\n".join([title, *lines])


def _facts(spec: ModelSpec, height: int, width: int, layout: Layout) -> dict[str, str]:
    stages = ", ".join(
        f"{count}{NO_BREAK}x{NO_BREAK}{inner}" + (f"-{out}" if out != inner else "") + f"/{stride}"
        for count, inner, out, stride in zip(
            spec.blocks, spec.widths, spec.out_channels, spec.strides, strict=True
        )
    )
    products = format_count(spec.num_multiply_adds(height, width))
    changed = ", ".join(changed_texts(spec))
    image = "x".join(map(str, arranged((spec.in_channels, height, width), layout)))
    return ({"changed": f"{changed}; all else is the catalog's {spec.name}"} if changed else {}) | {
        "images": f"{image}, {spec.classes} classes",
        "stem": f"{spec.stem}, {spec.stem_width} channels" + _own_stem(spec),
        "units": f"{stages} (count x channels/stride), {spec.unit}, order {spec.order}",
        "shortcut": shortcut_text(spec),
        "counts": f"{spec.num_parameters:,} parameters, {products} multiply-adds,"
        f" {spec.depth} weighted layers",
    }


def _own_stem(spec: ModelSpec) -> str:
    """Return what is otherwise than the kind of stem says."""
    stride = "" if spec.stem_stride is None else f", stride {spec.stem_stride}"
    pool = (
        "" if spec.stem_pool is None else (", with a max pool" if spec.stem_pool else ", without a max pool")
    )
    return stride + pool


def _lines(rows: tuple[LayerRow, ...], batch: int, layout: Layout) -> Iterator[_Line]:
    """Give the stages, in them the units, in them the layers; a line before each with its sums."""
    for (stage, place), group in groupby(rows, lambda row: (row.stage, "" if row.stage else row.place)):
        members = tuple(group)
        if stage:
            units = sum({row.unit: row.count for row in members}.values())
            label = f"stage {stage}: {units} unit{'s' if units > 1 else ''}"
        else:
            label = {"stem": "stem", "tail": "head"}[place]
        yield _Line(0, label, label, "", "", _sums(members, batch))
        for unit, layers in groupby(members, lambda row: row.unit):
            inside = tuple(layers)
            if unit:
                name = _span(unit, inside[0].count)
                yield _Line(1, name, name, "", "", _sums(inside, batch))
            yield from (_layer_line(row, batch, layout) for row in inside)


def _span(unit: str, count: int) -> str:
    """Return "layer1.0", or "layer1.0-8  x 9" for equal units."""
    first = int(unit.rpartition(".")[2])
    return unit if count == 1 else f"{unit}-{first + count - 1}  x {count}"


def _layer_line(row: LayerRow, batch: int, layout: Layout) -> _Line:
    is_flat = row.place == "tail" and row.output[1:] == (1, 1)
    shape = row.output[:1] if is_flat else arranged(row.output, layout)
    field = "all" if row.receptive_field is None else f"{row.receptive_field:,}"
    numbers = (_number(row.parameters), _number(row.multiply_adds), field, _memory(row.kept_bytes(batch)))
    return _Line(2, row.name, row.path, row.operation, "x".join(map(str, shape)), numbers)


def _sums(rows: Iterable[LayerRow], batch: int) -> tuple[str, str, str, str]:
    parameters = multiply_adds = kept = 0
    for row in rows:
        parameters += row.count * row.parameters
        multiply_adds += row.count * row.multiply_adds
        kept += row.count * row.kept_bytes(batch)
    return _number(parameters), _number(multiply_adds), "", _memory(kept)


def _total(rows: tuple[LayerRow, ...], batch: int) -> _Line:
    return _Line(0, "total", "total", "", "", _sums(rows, batch))


def _published(spec: ModelSpec, height: int, width: int) -> list[_Line]:
    """Return the line of the source's own counts, if it gives any for images of this size."""
    is_nominal = (height, width) == (spec.input_size, spec.input_size)
    products = spec.published_multiply_adds if is_nominal else None
    if spec.published_parameters is None and products is None:
        return []
    parameters, multiply_adds = (
        format_rounded(count) if count else "" for count in (spec.published_parameters, products)
    )
    return [_Line(0, "published", "published", "", "", (parameters, multiply_adds, "", ""))]


def _number(count: int) -> str:
    return f"{count:,}" if count else ""


def _memory(count: int) -> str:
    return format_bytes(count) if count else ""


def _text_cells(line: _Line) -> tuple[str, ...]:
    return " " * line.depth + line.label, line.operation, line.output, *line.numbers


def _markdown_cells(line: _Line) -> tuple[str, ...]:
    label = f"`{line.path}`" if line.depth == 2 else ("**{}**", "*{}*")[line.depth].format(line.label)
    return label, line.operation, line.output, *line.numbers


def _notes(rows: tuple[LayerRow, ...], batch: int) -> dict[str, str]:
    """Return what the columns mean, by their titles."""
    notes: dict[str, str] = {}
    if any(row.count > 1 for row in rows):
        notes["x n"] = (
            "n equal units; their line sums all of them, the lines below it are one's, its field the last's"
        )
    if any(row.place == "shortcut" for row in rows):
        notes["downsample"] = "stands on the shortcut, beside the layers above it"
    if any("gate" in row.operation for row in rows):
        notes["gate"] = (
            "the shortcut x (1 - g), g the sigmoid of a 1x1 convolution, with a bias, of what the shortcut"
            " reads; an exclusive one: the branch x g too"
        )
    return notes | {
        "multiply-adds": MULTIPLY_ADDS,
        "field": _FIELD,
        "memory": f"what a training step keeps of activations for the gradient at batch {batch:,}, about:"
        " the outputs of convolutions, BN and gates (an activation overwrites its input; what poolings, their"
        f" indices and zero channels keep is not counted), {BYTES_PER_NUMBER} bytes a number; weights and"
        " optimizer are not in it",
    }
