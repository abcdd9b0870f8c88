"""What the Dockerfile, .dockerignore and docs/install.md name is there, and is this version.

That a wheel and an sdist install and work is what `make test-dist` tries.
"""

import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def read_steps() -> list[list[str]]:
    """Return the Dockerfile's instructions, each as its words, with continued lines joined."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [line.split() for line in text.replace("\\\n", " ").splitlines() if line.strip()]


def test_what_the_image_copies_is_let_through_and_nothing_else() -> None:
    copied = {word for first, *words in read_steps() if first == "COPY" for word in words[:-1]}
    copied = {word for word in copied if not word.startswith(("--", "/"))}
    kept_out, *lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()[1:]

    assert kept_out == "*"
    assert {line[1:] for line in lines if line.startswith("!")} == copied
    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert {PROJECT["readme"], *PROJECT["license-files"]} <= copied, "the wheel is built of these"
    assert not any(fnmatch(name, line) for name in copied for line in lines if not line.startswith("!"))


def test_the_image_runs_as_no_root_and_with_extras_that_there_are() -> None:
    steps = read_steps()
    users = [words[0] for first, *words in steps if first == "USER"]
    arguments = dict(words[0].split("=", 1) for first, *words in steps if first == "ARG")

    assert users[-1].isdecimal() and int(users[-1]) > 0
    assert f"--uid {users[-1]} " in " ".join(word for step in steps for word in step)
    assert {*arguments["EXTRAS"].strip('"').split(",")} <= {*PROJECT["optional-dependencies"]}
    assert [words[0] for first, *words in steps if first == "FROM"] == ["${BASE}", "${BASE}"]
    assert steps[-2] == ["ENTRYPOINT", '["resnetlab"]']


def test_every_floor_of_a_dependency_is_the_one_that_security_gives_a_reason_for() -> None:
    extras = PROJECT["optional-dependencies"]
    given = [
        *PROJECT["dependencies"],
        *(each for extra in extras if extra not in ("dev", "docs") for each in extras[extra]),
    ]
    table = (
        (ROOT / "SECURITY.md").read_text(encoding="utf-8").partition("| package |")[2].partition("\n\n")[0]
    )
    told = re.findall(r"^\| ([\w-]+) \| ([\d.]+) \| \S", table, re.MULTILINE)

    assert sorted(f"{name}>={floor}" for name, floor in told) == sorted(given)


def test_what_the_tests_run_with_is_not_older_than_a_floor() -> None:
    pinned = dict(re.findall(r"^([\w.-]+)==([\d.]+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    pinned = {name.lower().replace("_", "-"): numbers(version) for name, version in pinned.items()}
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    floors = dict(each.split(">=") for group in groups for each in group if ">=" in each)
    found = {name: numbers(floor) for name, floor in floors.items() if name.replace("_", "-") in pinned}

    assert len(found) > 12
    assert [name for name, floor in found.items() if pinned[name.replace("_", "-")] < floor] == []


def numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def test_installing_is_told_of_this_version_with_every_extra_of_users() -> None:
    page = (ROOT / "docs/install.md").read_text(encoding="utf-8")
    table = page.partition("| extra |")[2].partition("\n\n")[0]

    assert {*re.findall(r"resnetlab-([\d.]+)-py3", page)} == {PROJECT["version"]}
    assert {*re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (.*?) \|", table, re.MULTILINE)))} == {
        extra for extra in PROJECT["optional-dependencies"] if extra not in ("dev", "docs")
    }
