"""`resnetlab completion`: what a shell has to know to complete our commands. Imports no torch.

What is printed does not start us when a key is pressed: verbs, flags and names stand in it, runs and files
are looked for by the shell itself.
"""

import argparse
import re
from collections.abc import Mapping

from resnetlab.cli.output import print_json
from resnetlab.cli.verb import set_up

SHELLS = ("bash", "zsh", "fish")

_EXAMPLES = """examples:
  resnetlab completion bash > ~/.resnetlab.bash         source it in ~/.bashrc
  resnetlab completion zsh > ~/.zfunc/_resnetlab        a folder of your fpath
  resnetlab completion fish > ~/.config/fish/completions/resnetlab.fish

Print it anew after an update, or when a package has added recipes of its own.
"""

_BY_NAME: Mapping[str, tuple[str, ...]] = {
    "names": ("models", "recipes", "reproductions", "runs", "files"),
    "name": ("reproductions",),
    "recipe": ("recipes", "runs", "files"),
    "data": ("data", "files"),
    "source": ("data", "files"),
    "paths": ("runs", "files"),
}
"""What may be typed for an argument that the verb's code calls so."""

_BY_HELP: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "set": {"the recipe": ("settings",), "the model": ("knobs",)},
    "data_set": {"": ("choices",)},
}
"""The same where it depends on what the help says the values are of: names that a value follows."""

_BY_PLACE: Mapping[str, tuple[str, ...]] = {
    "MODEL": ("models", "directories"),  # of a run or of images, where the verb takes one there
    "model": ("models",),
    "RUN": ("runs",),
    "run": ("runs", "directories"),
    "WEIGHTS": ("runs", "files"),
    "DATA": ("data", "files"),
    "device": ("devices",),
    **dict.fromkeys(("DIR", "FOLDER", "OUT", "TARS"), ("directories",)),
    **dict.fromkeys(("FILE", "IMAGE", "PATH", "file"), ("files",)),
}
"""What may be typed in the place of a word of the help; for RUN|FOLDER|FILE, what may be for each."""

_FUNCTION = {
    "bash": "_resnetlab_{name}() {{\n  {body}\n}}",
    "zsh": "_resnetlab_{name}() {{\n  {body}\n}}",
    "fish": "function _resnetlab_{name}\n  {body}\nend",
}
_NAMES = {
    "bash": "compgen -W '{names}' -- \"$1\"",
    "zsh": 'compadd "$@" -- {names}',
    "fish": "printf '%s\\t{kind}\\n' {names}",
}
_BEGUN = {**_NAMES, "zsh": """compadd "$@" -S '' -- {names}"""}
"""Of names that something follows at once: fish sees that by their last letter, bash is told at the end."""
_AT_THE_END = {
    "bash": """
_resnetlab() {
  _shtab_resnetlab
  [[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace 2>/dev/null
  return 0
}
complete -o bashdefault -F _resnetlab resnetlab""",
}
_PLACES = {
    "bash": {
        "runs": """local run
  for run in runs/*/recipe.json runs/*/*/recipe.json; do
    run=${run%/recipe.json}
    [[ -d $run && $run == "$1"* ]] && printf '%s\\n' "$run"
  done""",
        "files": 'compgen -f -- "$1"',
        "directories": 'compgen -d -- "$1"',
    },
    "zsh": {
        "runs": """local -a found=(runs/*/recipe.json(N:h) runs/*/*/recipe.json(N:h))
  compadd "$@" -- $found""",
        "files": '_files "$@"',
        "directories": '_files "$@" -/',
    },
    "fish": {
        "runs": """for recipe in runs/*/recipe.json runs/*/*/recipe.json
    string replace -r '/recipe.json$' '\\trun' -- $recipe
  end""",
        "files": "__fish_complete_path (commandline -ct)",
        "directories": "__fish_complete_directories (commandline -ct)",
    },
}
"""The shells' own words for what is looked for when the key is pressed; runs lie one or two folders deep."""


def add(parser: argparse.ArgumentParser) -> None:
    """Give the parser of `completion` its flags."""
    set_up(parser, print_script, _EXAMPLES)
    parser.add_argument("shell", choices=SHELLS, help="for which shell")


def print_script(options: argparse.Namespace) -> None:
    """Print the script that tells a shell how our commands are completed."""
    script = completion_script(options.shell)
    if options.json:
        print_json({"shell": options.shell, "script": script})
    else:
        print(script)


def completion_script(shell: str) -> str:
    """Return the script for one of `SHELLS`, with all names that are known now.

    Where an argument takes several words, shtab 1.13 has zsh complete the first alone; that is mended here.
    """
    from shtab import complete

    from resnetlab.cli.parser import build_parser

    top = build_parser()
    for action in top.all_actions():
        if isinstance(action.choices, dict):  # verbs, which the help lists in its own way
            action.help = "what to do"
        elif action.nargs != 0 and action.choices is None and (kinds := asked(action)):
            action.complete = _completer(shell, kinds)  # type: ignore[attr-defined]  # read by shtab
    script: str = complete(top, shell, preamble="\n".join(_functions(shell)))
    if shell == "zsh":
        return re.sub(r'^  "\(\*\)::?', '  "*:', script, flags=re.MULTILINE)
    return script + _AT_THE_END.get(shell, "")


def asked(action: argparse.Action) -> tuple[str, ...]:
    """Return the kinds of what may be typed for an argument, none for a number or a text of one's own."""
    if action.dest in _BY_NAME:
        return _BY_NAME[action.dest]
    if action.dest in _BY_HELP:
        told = _BY_HELP[action.dest].items()
        return tuple(kind for words, kinds in told if words in str(action.help) for kind in kinds)
    place = str(action.metavar or "NAME")
    words = [action.dest] if place == "NAME" else place.split("|")
    kinds = dict.fromkeys(kind for word in words for kind in _BY_PLACE.get(word, ()))
    if "files" in kinds:  # the shells show folders among them
        kinds.pop("directories", None)
    return (*kinds,)


def _completer(shell: str, kinds: tuple[str, ...]) -> dict[str, object]:
    """Return what shtab is told of an argument: the name of a shell's function, and the function."""
    name = "_".join(kinds)
    called = f"(_resnetlab_{name})" if shell == "fish" else f"_resnetlab_{name}"
    if len(kinds) == 1:
        return {shell: called}
    if shell == "zsh":
        body = "_alternative " + " ".join(f"'{kind}:{kind}:_resnetlab_{kind}'" for kind in kinds)
    else:
        of_word = ' "$1"' if shell == "bash" else ""
        body = "\n  ".join(f"_resnetlab_{kind}{of_word}" for kind in kinds)
    return {shell: called, "preamble": {shell: _FUNCTION[shell].format(name=name, body=body)}}


def _functions(shell: str) -> list[str]:
    """Return a function of the shell for every kind."""
    from resnetlab.base.plaindata import field_types
    from resnetlab.data import SOURCES
    from resnetlab.data.sources.choices import Choices
    from resnetlab.network.catalog import list_models
    from resnetlab.network.spec import KNOBS
    from resnetlab.recipe import Recipe
    from resnetlab.recipe.named import list_recipes
    from resnetlab.recipe.settings import LENGTHS, leaves
    from resnetlab.reproducing.named import REPRODUCTIONS

    names = {
        "models": list_models(),
        "recipes": list_recipes(),
        "data": [*SOURCES],
        "reproductions": [*REPRODUCTIONS],
        "devices": ["auto", "cpu", "cuda", "mps"],
    }
    begun = {
        "settings": [*LENGTHS, *leaves(Recipe())],
        "knobs": KNOBS,
        "choices": field_types(Choices),
    }
    bodies = {
        kind: _NAMES[shell].format(kind=kind.removesuffix("s"), names=" ".join(known))
        for kind, known in names.items()
    } | {
        kind: _BEGUN[shell].format(kind=kind.removesuffix("s"), names=" ".join(f"{name}=" for name in known))
        for kind, known in begun.items()
    }
    return [_FUNCTION[shell].format(name=kind, body=body) for kind, body in (bodies | _PLACES[shell]).items()]
