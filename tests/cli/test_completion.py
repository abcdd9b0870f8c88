"""`resnetlab completion`: in the shells themselves, what is completed is what there is."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from resnetlab.cli import main
from resnetlab.cli.parser import build_parser
from resnetlab.cli.verbs.completion import SHELLS, asked, completion_script
from resnetlab.data import SOURCES
from resnetlab.network.catalog import list_models
from resnetlab.network.spec import KNOBS
from resnetlab.recipe.named import list_recipes
from resnetlab.reproducing.named import REPRODUCTIONS

pytest.importorskip("shtab")

Completed = Callable[[list[str]], list[set[str]]]

WORDS: dict[str, set[str]] = {
    "": {*build_parser().known_verbs()},
    "tr": {"train"},
    "completion ": {*SHELLS},
    "data ": {"fetch", "describe", "check", "show", "unpack", "pack", "prepare"},
    "train resnet1": {name for name in list_models() if name.startswith("resnet1")},
    "train resnet20 resnet5": {name for name in list_models() if name.startswith("resnet5")},
    "train --seeds 3 --epochs 2 plain": {name for name in list_models() if name.startswith("plain")},
    "train resnet20 --recipe t": {name for name in list_recipes() if name.startswith("t")},
    "train resnet20 --see": {"--seed", "--seeds"},
    "data fetch ci": {name for name in SOURCES if name.startswith("ci")},
    "reproduce he2015-": {name for name in REPRODUCTIONS if name.startswith("he2015-")},
    "draw resnet20 --theme ": {"light", "dark", "print"},
    "runs --state fin": {"finished"},
    "train resnet20 --device c": {"cpu", "cuda"},
    "train resnet20 --set weight_d": {"weight_decay="},
    "train resnet20 --set sho": {f"{name}=" for name in KNOBS if name.startswith("sho")},
    "draw resnet20 --set w": {f"{name}=" for name in KNOBS if name.startswith("w")},
    "reproduce he2015-table6 --set shortcut_": set(),
    "train photos --data-set test_": {"test_split="},
}
"""What is typed, and all that it can become."""

PLACES: dict[str, set[str]] = {
    "resume ": {"runs/first", "runs/both/a b", "my photos", "runs"},
    "show he2016 runs/f": {"runs/first"},
    "eval ": {"runs/first", "runs/both/a b", "own.toml"},
    "finetune --data m": {"mnist", "my photos"},
    "train resnet20 --recipe o": {"own.toml"},
    "predict runs/first o": {"own.toml"},
}
"""The same of what lies in the folder; a shell may show more than once, and the last part of a path alone."""

_BASH = """source {script}
while IFS= read -r line; do
  COMP_WORDS=(resnetlab $line) COMP_CWORD=${{#COMP_WORDS[@]}}
  [[ -z $line || $line == *' ' ]] && COMP_WORDS+=('') || COMP_CWORD=$((COMP_CWORD - 1))
  _resnetlab
  printf '%s\\n' "${{COMPREPLY[@]}}" '<end>'
done
"""
_FISH = """source {script}
while read -d \\n line
  complete -C "resnetlab $line" | string replace -r '\\t.*' ''
  echo '<end>'
end
"""
_ZSH = """PROMPT=
fpath=({folder} $fpath)
autoload -U compinit && compinit -u -D
compadd() {{
  local -a found
  [[ " $* " == *' -'[OAD]' '* ]] || {{ builtin compadd -A found "$@"; print -rl -- '' "<"${{^found}}">"; }}
  builtin compadd "$@"
}}
answer() {{ _main_complete; compstate[insert]='' compstate[list]=''; print -r -- $'\\n<end>'; }}
zle -C answer complete-word answer
bindkey '^I' answer
print ready
"""
_IN_A_TERMINAL = """zmodload zsh/zpty
zpty typed zsh -f -i
zpty -w typed 'source {settings}'
zpty -r typed line $'*\\nready*'
while IFS= read -r line; do
  zpty -w -n typed "resnetlab $line"$'\\t'
  zpty -r typed shown $'*<end>*'
  print -r -- "$shown"
  zpty -w -n typed $'\\C-u'
done
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that has two runs, a folder that is none, images and a recipe."""
    for run in ("runs/first", "runs/both/a b"):
        (tmp_path / run).mkdir(parents=True)
        (tmp_path / run / "recipe.json").touch()
    (tmp_path / "runs/other").mkdir()
    (tmp_path / "my photos").mkdir()
    (tmp_path / "own.toml").touch()
    return tmp_path


@pytest.fixture(params=SHELLS)
def completed(
    request: pytest.FixtureRequest, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Completed:
    """Type lines at a shell in that folder, the tabulator behind each, and return what it shows."""
    shell = request.param
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    place = tmp_path_factory.mktemp(shell)
    script = place / "_resnetlab"
    script.write_text(completion_script(shell))
    if shell == "zsh":
        (place / "settings").write_text(_ZSH.format(folder=place))
        program = _IN_A_TERMINAL.format(settings=place / "settings")
    else:
        program = {"bash": _BASH, "fish": _FISH}[shell].format(script=script)
    (place / "program").write_text(program)
    options = {"bash": ["--norc"], "fish": ["-N"], "zsh": ["-f"]}[shell]

    def type_lines(lines: list[str]) -> list[set[str]]:
        done = subprocess.run(
            [shell, *options, place / "program"],
            input="".join(f"{line}\n" for line in lines),
            cwd=folder, capture_output=True, text=True, check=True, timeout=20,
        )  # fmt: skip
        assert done.stderr == ""
        shown = done.stdout.split("<end>\n" if shell != "zsh" else "<end>")[:-1]
        if shell == "zsh":  # what it draws between is no answer
            return [{word[:-1].replace("\\", "") for word in _answers(part)} for part in shown]
        return [{line.rstrip("/") for line in part.splitlines()} for part in shown]

    return type_lines


def _answers(shown: str) -> list[str]:
    return [line[1:] for line in shown.replace("\r", "").splitlines() if line[:1] == "<" and line[-1:] == ">"]


def test_what_is_typed_becomes_what_there_is(completed: Completed) -> None:
    found = completed([*WORDS, *PLACES])

    assert dict(zip(WORDS, found, strict=False)) == WORDS
    shown = dict(zip(PLACES, found[len(WORDS) :], strict=True))
    assert {line: shown[line] & places for line, places in PLACES.items()} == PLACES


def test_bash_lets_a_value_follow_a_name_at_once(tmp_path: Path) -> None:
    """`compopt` is of an interactive shell, and noted here."""
    (tmp_path / "script").write_text(completion_script("bash"))
    (tmp_path / "program").write_text("""source ./script
compopt() { printf '%s ' "$@"; }
for last in weight_d resnet1; do
  COMP_WORDS=(resnetlab train resnet20 --set $last) COMP_CWORD=4
  [[ $last == resnet1 ]] && COMP_WORDS=(resnetlab train resnet1) COMP_CWORD=2
  _resnetlab
  printf '%s\n' "${COMPREPLY[0]}"
done
complete -p resnetlab
""")
    done = subprocess.run(["bash", "program"], cwd=tmp_path, capture_output=True, text=True, check=True)

    first, second, bound = done.stdout.splitlines()
    assert first == "-o nospace weight_decay="
    assert "nospace" not in second
    assert bound.endswith("-F _resnetlab resnetlab")


def test_every_place_of_a_path_or_a_network_is_completed() -> None:
    actions = [action for action in build_parser().all_actions() if action.nargs != 0 and not action.choices]
    places = {"DATA", "DIR", "FILE", "FOLDER", "IMAGE", "MODEL", "OUT", "PATH", "RUN", "WEIGHTS"}
    left = {
        f"{'/'.join(action.option_strings) or action.dest} {action.metavar}"
        for action in actions
        if places & {*re.findall("[A-Z]+", str(action.metavar))} and not asked(action)
    }

    assert left == set()
    assert {action.dest: asked(action) for action in actions if action.dest in ("models", "images")} == {
        "models": ("models", "directories"),
        "images": ("files",),
    }


def test_the_script_is_printed_or_put_into_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "fish"]) == 0
    printed = capsys.readouterr().out
    assert main(["completion", "fish", "--json"]) == 0

    told = json.loads(capsys.readouterr().out)
    assert told == {"shell": "fish", "script": printed.removesuffix("\n")}
    assert main(["completions", "fish"]) == 0
    assert capsys.readouterr().out == printed


def test_without_shtab_it_is_said_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)

    assert main(["completion", "bash"]) == 2
    assert "pip install shtab" in capsys.readouterr().err
