"""Make docs/gallery.md and all drawings of docs/; with --check see whether they are as they would be made.

python docs/make_gallery.py [--check]
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from resnetlab.base.files import make_directory, remove_file, write_file
from resnetlab.base.units import format_count, format_rounded
from resnetlab.network.catalog import families, model_spec
from resnetlab.network.spec import ModelSpec
from resnetlab.show.drawing.svg import to_svg
from resnetlab.show.picture import Part, Style, ThemeName, draw
from resnetlab.show.tables.align import markdown_table

DOCS = Path(__file__).parent
FOLDER = "gallery"

Contents = dict[str, str]
"""What the files shall hold, by their paths below docs/."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture: of which models, how, and what the page says of it."""

    models: tuple[str, ...]
    words: str = ""
    style: Style = "full"
    theme: ThemeName = "light"
    part: Part | None = None

    @property
    def stem(self) -> str:
        """The name of the file, without its suffix."""
        theme = "" if self.theme == "light" else f"-{self.theme}"
        style = "" if self.style == "full" else f"-{self.style}"
        part = f"-{self.part}" if self.part else ""
        return f"{self.models[0]}{style}{part}{theme}"

    @property
    def command(self) -> str:
        """What draws it."""
        style = "" if self.style == "full" else f" --style {self.style}"
        return f"resnetlab draw {' '.join(self.models)}{style} -o {self.stem}.svg"


def full(*models: str) -> tuple[Figure, ...]:
    """Return a full drawing of each model."""
    return tuple(Figure((model,)) for model in models)


def beside(style: Style, words: str, *models: str) -> Figure:
    """Return models side by side."""
    return Figure(models, words, style)


FIGURES: dict[str, tuple[Figure, ...]] = {
    "CIFAR: He et al., 2015": (
        *full("resnet20"),
        beside("overview", "110 layers, plain and residual.", "plain110", "resnet110"),
    ),
    "CIFAR: He et al., 2015, plain": full("plain20"),
    "CIFAR: bottleneck, post-activation": full("resnet164"),
    "CIFAR: He et al., 2016, pre-activation": full("preresnet110", "preresnet1001"),
    "CIFAR: He et al., 2016, shortcuts": (
        beside(
            "unit", "He et al., 2016, Fig. 2: what a shortcut may be.",
            "resnet110_constant_scaling", "resnet110_exclusive_gating", "resnet110_shortcut_gating",
            "resnet110_conv_shortcut", "resnet110_dropout_shortcut",
        ),
        *full("resnet110_exclusive_gating"),
    ),
    "CIFAR: He et al., 2016, ablations": (
        beside(
            "unit", "He et al., 2016, Fig. 4: where BN and ReLU stand.", "resnet110",
            "resnet110_bn_after_add", "resnet110_relu_before_add", "resnet110_relu_only_preact",
            "preresnet110",
        ),
        *full("resnet164_relu_only_preact"),
    ),
    "ImageNet: v1.5, stride on the 3x3": (
        *full("resnet18", "resnet50"),
        beside(
            "unit", "v1, v1.5 and v2: where the stride sits, and what the shortcut reads.", "resnet50_v1",
            "resnet50", "resnet50_v2",
        ),
    ),
    "ImageNet: v1, He et al., 2015": full("resnet50_v1"),
    "ImageNet: v2, He et al., 2016": full("resnet50_v2"),
    "ImageNet: He et al., 2015, plain": (
        beside("overview", "He et al., 2015, Fig. 3: every layer.", "plain34", "resnet34"),
        *full("plain18"),
    ),
    "chao-ji, TensorFlow 1": full("chaoji_resnet20"),
    "chao-ji, TensorFlow 2": full("chaoji_tf2_resnet20"),
    "Keras example, v1": full("keras_resnet20v1"),
    "Keras example, v2": full("keras_resnet20v2"),
    "TensorFlow official, CIFAR-10": full("tfofficial_cifar_resnet20v2"),
    "TensorFlow official, ImageNet": full("tfofficial_resnet50v2"),
    "TensorFlow research, CIFAR-10": full("tfresearch_bottleneck164"),
    "TensorFlow research, CIFAR-100": full("tfresearch_cifar100_wrn28_10"),
}  # fmt: skip
INTRODUCTION = """# Gallery

Every family of networks, drawn and counted. A click opens a picture at its full size, where its text can be
selected, and a box that is pointed at tells its layer's parameters and multiply-adds. The command under each
picture draws it; `--theme dark` and `--theme print` have other colours, `-o x.pdf` and `-o x.png` make other
formats. Any other network is drawn the same way, `--unfold` draws every unit, `--columns 1` suits a phone,
`--part stem|unit|shortcut|head` draws one part large with each step in words ([walk.md](walk.md) is made of
them), and `resnetlab show MODEL` lists the layers.
""".rstrip()
README = (Figure(("resnet20",), theme="dark"),)
"""Pictures that stand in the README alone."""
WALK = tuple(
    Figure((model,), theme=theme, part=part)
    for model, part in (
        ("chaoji_resnet20", "stem"), ("chaoji_resnet20", "unit"), ("chaoji_resnet20", "shortcut"),
        ("chaoji_resnet20", "head"), ("resnet20", "shortcut"), ("resnet50", "shortcut"),
    )
    for theme in ("light", "dark")
)  # fmt: skip
"""Those of walk.md."""
ELSEWHERE = (*README, *WALK)


def contents() -> Contents:
    """Return the page and the pictures."""
    assert FIGURES.keys() == families().keys(), set(FIGURES) ^ set(families())
    figures = [figure for group in FIGURES.values() for figure in group]
    made = {f"{FOLDER}/{figure.stem}.svg": drawn(figure) for figure in (*figures, *ELSEWHERE)}
    assert len(made) == len(figures) + len(ELSEWHERE), "two pictures of one name"
    return {f"{FOLDER}.md": "\n".join(_page()) + "\n"} | made


def drawn(figure: Figure) -> str:
    """Return a picture as SVG."""
    specs = [model_spec(name) for name in figure.models]
    return to_svg(draw(specs, style=figure.style, theme=figure.theme, part=figure.part)[0])


def _page() -> Iterator[str]:
    yield from (INTRODUCTION, "")
    yield from (f"- [{family}](#{_anchor(family)})" for family in FIGURES)
    for family, figures in FIGURES.items():
        yield from ("", f"## {family}", "")
        for figure in figures:
            yield from _figure(figure)
        yield _table([model_spec(name) for name in families()[family]])
    yield from ("", "*Made by `make gallery`; `make check` sees whether it is up to date.*")


def _anchor(heading: str) -> str:
    """Return the name that GitHub gives a heading."""
    kept = "".join(letter for letter in heading.lower() if letter.isalnum() or letter in " -_")
    return kept.replace(" ", "-")


def _figure(figure: Figure) -> Iterator[str]:
    place = f"{FOLDER}/{figure.stem}.svg"
    title = " beside ".join(figure.models)
    if figure.words:
        yield from (figure.words, "")
    yield from (f"[![{title}]({place})]({place})", "", f"`{figure.command}`", "")


def _table(specs: list[ModelSpec]) -> str:
    """Return the models with their counts; those of the sources stand beside ours."""
    rows = [
        (
            f"`{spec.name}`",
            f"{spec.num_parameters:,}",
            _published(spec.published_parameters),
            format_count(spec.num_multiply_adds()),
            _published(spec.published_multiply_adds),
            str(spec.depth),
            f"{spec.input_size}×{spec.input_size}",
        )
        for spec in specs
    ]
    header = ("model", "parameters", "published", "multiply-adds", "published", "weighted layers", "images")
    return markdown_table(header, rows)


def _published(count: int | None) -> str:
    return format_rounded(count) if count else ""


def stale(made: Contents) -> list[str]:
    """Return the paths that differ from what they shall hold, and the pictures that nobody asks for."""
    found = {f"{FOLDER}/{path.name}" for path in (DOCS / FOLDER).glob("*")} - made.keys()
    differing = (
        path
        for path, text in made.items()
        if not (DOCS / path).is_file() or (DOCS / path).read_bytes() != text.encode()
    )
    return sorted(found.union(differing))


def main() -> None:
    """Write what is not up to date, or with --check only say what that is."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail if something is out of date"
    )
    is_check = parser.parse_args().check
    made = contents()
    paths = stale(made)
    if is_check:
        if paths:
            others = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
            sys.exit(
                f"not up to date: docs/{', docs/'.join(paths[:3])}{others}\n"
                "Run `make gallery` and commit what it writes."
            )
        return
    make_directory(DOCS / FOLDER)
    for path in paths:
        if path in made:
            write_file(DOCS / path, made[path])
        else:
            remove_file(DOCS / path)
        sys.stdout.write(f"docs/{path}\n")


if __name__ == "__main__":
    main()
