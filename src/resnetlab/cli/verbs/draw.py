"""`resnetlab draw`. Imports no torch."""

import argparse

from resnetlab.base.paths import user_path
from resnetlab.cli.resolve import parse_size, resolve_network, split_settings
from resnetlab.cli.text import print_json
from resnetlab.errors import UsageError
from resnetlab.runs.directory import is_run
from resnetlab.show.picture import check_target, draw, save


def draw_models(options: argparse.Namespace) -> None:
    """Draw the networks into a file and print its path."""
    recipe_texts, knobs = split_settings(options.set)
    if recipe_texts:
        raise UsageError(f"{', '.join(recipe_texts)}: of a recipe; a drawing shows the model alone")
    specs = [resolve_network(name, knobs) for name in options.models]
    names = [
        user_path(name).resolve().name if is_run(user_path(name)) else spec.name
        for name, spec in zip(options.models, specs, strict=True)
    ]
    path = user_path(options.out or f"{'-'.join(spec.name for spec in specs)}.svg")
    check_target(path)
    height, width = parse_size(options.input_size) if options.input_size else (None, None)
    scenes = draw(
        specs, style=options.style, theme=options.theme, layout=options.layout, height=height, width=width,
        unfold=options.unfold, columns=options.columns, names=names,
    )  # fmt: skip
    files = [str(file) for file in save(scenes, path)]
    if options.json:
        print_json({"files": files, "pages": len(scenes)})
    else:
        print("\n".join(files))
