"""`resnetlab draw`. Imports no torch."""

import argparse

from resnetlab.base.paths import user_path
from resnetlab.cli.flags import add_set
from resnetlab.cli.output import print_json
from resnetlab.cli.resolve import parse_size, resolve_network, split_settings
from resnetlab.cli.verb import set_up
from resnetlab.errors import UsageError
from resnetlab.runs.directory import is_run

_EXAMPLES = """examples:
  resnetlab draw resnet20                           into resnet20.svg
  resnetlab draw resnet50 -o resnet50.pdf --theme print
  resnetlab draw plain34 resnet34 --style overview -o both.svg
  resnetlab draw resnet110 --unfold -o resnet110.pdf
  resnetlab draw resnet20 --part shortcut           into resnet20-shortcut.svg, see docs/walk.md
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Give the parser of `draw` its flags."""
    set_up(parser, draw_models, _EXAMPLES)
    parser.add_argument("models", nargs="+", metavar="MODEL", help="a model, or the directory of a run")
    parser.add_argument(
        "-o", "--out", metavar="FILE", help="an .svg, .pdf or .png (default: MODEL.svg, MODEL-PART.svg)"
    )
    parser.add_argument(
        "--style",
        choices=("full", "overview", "unit"),
        help="every operation of one network; or several side by side, whole or by one unit (default: full, "
        "of several overview)",
    )
    parser.add_argument(
        "--part",
        choices=("stem", "unit", "shortcut", "head"),
        help="one part of one network alone, large, each of its steps told in words",
    )
    parser.add_argument(
        "--theme", choices=("light", "dark", "print"), default="light", help="(default: light)"
    )
    parser.add_argument(
        "--layout", choices=("NHWC", "NCHW"), default="NHWC", help="the order of sizes (default: NHWC)"
    )
    parser.add_argument("--input-size", metavar="N|HxW", help="images' size in px (default: the model's own)")
    parser.add_argument("--unfold", action="store_true", help="draw equal units one by one, on several pages")
    parser.add_argument("--columns", type=int, metavar="N", help="columns of a page; 1 suits a phone")
    add_set(parser, "the model")


def draw_models(options: argparse.Namespace) -> None:
    """Draw the networks into a file and print its path."""
    from resnetlab.show.picture import Style, check_target, draw, save

    recipe_texts, knobs = split_settings(options.set)
    if recipe_texts:
        raise UsageError(f"{', '.join(recipe_texts)}: of a recipe; a drawing shows the model alone")
    specs = [resolve_network(name, knobs) for name in options.models]
    names = [
        user_path(name).resolve().name if is_run(user_path(name)) else spec.name
        for name, spec in zip(options.models, specs, strict=True)
    ]
    stem = "-".join([*(spec.name for spec in specs), *([options.part] if options.part else [])])
    path = user_path(options.out or f"{stem}.svg")
    check_target(path)
    height, width = parse_size(options.input_size) if options.input_size else (None, None)
    style: Style = options.style or ("full" if len(specs) == 1 or options.part else "overview")
    scenes = draw(
        specs, style=style, theme=options.theme, layout=options.layout, height=height, width=width,
        unfold=options.unfold, columns=options.columns, part=options.part, names=names,
    )  # fmt: skip
    files = [str(file) for file in save(scenes, path)]
    if options.json:
        print_json({"files": files, "pages": len(scenes)})
    else:
        print("\n".join(files))
