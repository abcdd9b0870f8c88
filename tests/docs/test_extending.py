"""What other packages add: the examples of docs/extending.md, each installed and used by name."""

import contextlib
import importlib
import json
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import resnetlab
from resnetlab.base.registry import Registry
from resnetlab.data.recognise import CONTAINERS
from resnetlab.data.sources.choices import Choices
from resnetlab.errors import UsageError
from resnetlab.recipe import Optimizer
from resnetlab.recipe.named import RECIPES
from resnetlab.recipe.optimizers import OPTIMIZERS, Groups
from resnetlab.recipe.settings import override
from resnetlab.training.recorded.capturing import obstacle_to_capture
from resnetlab.weights.namings import NAMINGS
from tests.kit.commands import run
from tests.kit.interrupted_runs import run_until
from tests.kit.pictures import write_folder
from tests.kit.small_runs import final_bytes, go_on, small_source, train, train_whole, two_stage_plan

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"
REGISTRIES: tuple[Registry[object], ...] = (RECIPES, OPTIMIZERS, CONTAINERS, NAMINGS)  # type: ignore[assignment]

Install = Callable[[str, str], None]


def blocks(title: str) -> dict[str, str]:
    """Return the blocks of a section of the page by their kind: toml, python, sh."""
    section = PAGE.read_text(encoding="utf-8").partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"```(\w+)\n(.*?)```", section, re.DOTALL))


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install packages into a folder on Python's path, for one test; the current folder is another."""
    site, before = tmp_path / "site", set(sys.modules)
    site.mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.syspath_prepend(site)
    for registry in REGISTRIES:  # what is added here is added for this test
        registry.all()
        for table in ("_things", "_owners"):
            monkeypatch.setattr(registry, table, dict(getattr(registry, table)))
    yield lambda toml, code: write_package(site, toml, code)
    for name in set(sys.modules) - before:
        if name.startswith("resnetlab_"):
            del sys.modules[name]


def write_package(site: Path, toml: str, code: str) -> None:
    """Write what an installer makes of a package of one module: the module, and a dist-info."""
    ((group, names),) = tomllib.loads(toml)["project"]["entry-points"].items()
    module = next(iter(names.values()))
    (site / f"{module}.py").write_text(code)
    info = site / f"{module}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module.replace('_', '-')}\nVersion: 1.2\n")
    lines = [f"{name} = {value}" for name, value in names.items()]
    (info / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines, ""]))
    importlib.invalidate_caches()


def run_lines(text: str) -> list[str]:
    """Run a page's commands, and return what they print."""
    return [run(*shlex.split(line)[1:]).stdout for line in text.splitlines()]


def test_a_recipe_of_another_package_is_listed_shown_and_trained_with(install: Install) -> None:
    page = blocks("A recipe")
    install(page["toml"], page["python"])

    listed, shown, _ = run_lines(page["sh"])

    assert re.search(r"brief +Two epochs along a cosine, to see that a network learns.", listed)
    assert "Two epochs" in shown and "recipe brief" in shown
    assert resnetlab.named_recipe("brief", 101).schedule.lr == 0.02
    assert resnetlab.train("resnet8", data="digits", recipe="brief", steps=2, device="cpu").step == 2
    assert '"name": "brief"' in Path("briefly/recipe.json").read_text()


def test_an_optimizer_of_another_package_trains_and_resumes_to_the_same_bytes(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = blocks("An optimizer")
    install(page["toml"], page["python"])
    changes = {"optimizer": "lion", "lr": 1e-3, "length": "4st", "checkpoint_every": 1}

    run_lines(page["sh"])
    whole = train_whole(tmp_path / "whole", two_stage_plan(**changes))
    half = run_until(tmp_path / "half", 2, **changes)
    trainer = go_on(half, small_source())
    train(trainer)
    trainer.close()

    assert final_bytes(half, 4) == final_bytes(whole, 4)
    assert b"exp_avg" in final_bytes(whole, 4)["optimizer.safetensors"]
    recorded = json.loads(Path("lion/environment.json").read_text())
    assert recorded["optimizer_of"] == "resnetlab-lion 1.2"


def test_a_run_whose_optimizer_is_missing_names_the_package_and_is_still_scored(
    install: Install, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    page = blocks("An optimizer")
    install(page["toml"], page["python"])
    run_lines(page["sh"])
    for table in (OPTIMIZERS._things, OPTIMIZERS._owners):
        del table["lion"]  # type: ignore[attr-defined]
    for info in (tmp_path / "site").glob("*.dist-info/*"):
        info.unlink()

    resumed = run("resume", "lion", "--epochs", "9", code=2)

    assert "by the optimizer 'lion' of resnetlab-lion 1.2, which is not installed here" in resumed.stderr
    assert "of 3" in run("eval", "lion").stdout
    refused = run("train", "resnet8", "--data", "digits", "--set", "optimizer=lion", code=2).stderr
    assert "no optimizer is called 'lion'" in refused


def sgd_of_others(groups: Groups, config: Optimizer) -> torch.optim.Optimizer:
    return torch.optim.SGD([weight for group in groups for weight in group["params"]], lr=1.0)


WRONG_OPTIMIZERS = {
    "the optimizer 'odd' is a int, no torch.optim.Optimizer": lambda groups, config: 3,
    "the optimizer 'odd' is not of the groups that it was given": sgd_of_others,
    "the optimizer 'odd' keeps step, of (), undeclared": lambda groups, config: torch.optim.Adam(groups),
}


@pytest.mark.parametrize(("said", "build"), WRONG_OPTIMIZERS.items())
def test_an_optimizer_that_could_not_resume_is_refused_before_the_run(
    install: Install, said: str, build: Any
) -> None:
    resnetlab.register.optimizer("odd", state=["exp_avg", "exp_avg_sq"])(build)

    done = run("train", "resnet8", "--data", "digits", "--set", "optimizer=odd", "--out", "odd", code=2)

    assert said in done.stderr
    assert not Path("odd/recipe.json").exists()


def test_steps_of_an_optimizer_that_asks_the_host_are_not_recorded(install: Install) -> None:
    page = blocks("An optimizer")
    install(page["toml"], page["python"])
    recipe = override(resnetlab.named_recipe("quick"), {"optimizer": "lion"})

    obstacle = obstacle_to_capture(recipe, torch.device("cuda"), reads_files=False)

    assert obstacle == "the optimizer lion is not made for it"


def test_listing_and_showing_imports_no_optimizer_and_no_torch(install: Install, tmp_path: Path) -> None:
    for title in ("A recipe", "An optimizer"):
        page = blocks(title)
        install(page["toml"], page["python"])
    code = (
        "import sys; from resnetlab.cli import main; main(['list']); main(['show', 'quick']);"
        "main(['show', 'quick', '--set', 'optimizer=lion'])\n"
        "sys.exit(repr({'torch', 'resnetlab_lion'} & {*sys.modules}))"
    )
    path = os.pathsep.join([str(tmp_path / "site"), *sys.path])

    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr.strip() == "set()"
    assert "brief" in done.stdout and "lion" in done.stdout


def write_shapes(path: Path) -> None:
    """Write 48 dark and bright images into a database, 8 of them of the test split."""
    noise = np.random.default_rng(3)
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE images (split, label, pixels)")
        for index in range(48):
            pixels = noise.integers(0, 99, (16, 16, 3), dtype=np.uint8) + (index % 2) * 150
            row = ("test" if index < 8 else "train", ("dark", "bright")[index % 2], pixels.astype(np.uint8))
            database.execute("INSERT INTO images VALUES (?, ?, ?)", (*row[:2], row[2].tobytes()))
        database.commit()


def test_a_container_of_another_package_is_trained_on_and_evaluated(install: Install) -> None:
    page = blocks("A container")
    install(page["toml"], page["python"])
    write_shapes(Path("shapes.sqlite"))

    shown, _, scored = run_lines(page["sh"])
    source = resnetlab.open_source("shapes.sqlite")

    assert "32 training images" in shown and " of 8" in scored, scored
    assert (len(source.train), len(source.test), source.class_names) == (40, 8, ("bright", "dark"))


def write_stacks(path: Path) -> dict[str, torch.Tensor]:
    """Write a network's weights under the names of the page's example; return them under ours."""
    ours = resnetlab.create_model("resnet8", seed=5).state_dict()
    theirs = {}
    for name, tensor in ours.items():
        told = re.sub(r"^layer(\d)\.(\d)\.", r"stack\1.block\2.", name).replace("bn", "norm")
        told = re.sub(r"^(conv|norm)1", r"first.\1", told).replace("fc.", "last.")
        theirs[f"module.{told}"] = tensor
    save_file(theirs, path)
    return ours


def test_a_file_in_the_naming_of_another_package_is_imported(install: Install) -> None:
    page = blocks("A weight naming")
    install(page["toml"], page["python"])
    ours = write_stacks(Path("theirs.safetensors"))

    imported, _ = run_lines(page["sh"])
    model = resnetlab.create_model("resnet8", weights="theirs.safetensors")

    assert "stacks's names" in imported and "resnet8" in imported
    assert all(torch.equal(tensor, ours[name]) for name, tensor in model.state_dict().items())


RECIPE = """
from resnetlab import Recipe, register
@register.recipe("{name}")
def made(depth): return {value}
"""
TOML = '[project.entry-points."resnetlab.recipes"]\n{name} = "resnetlab_wrong"'


ADD = "from resnetlab import register\n"
OF = "the recipe 'mine' of resnetlab-wrong 1.2"
WRONG = {
    "1 / 0": f"{OF} cannot be imported: ZeroDivisionError: division",
    "def mine(:": f"{OF} cannot be imported: SyntaxError",
    "import no_such_module": f"{OF} cannot be imported: ModuleNotFoundError",
    "": f"{OF}: its module resnetlab_wrong adds no recipe of this name",
    RECIPE.format(name="mine", value="{}"): "the recipe 'mine' is a dict, and no resnetlab.Recipe",
    RECIPE.format(
        name="quick", value="0"
    ): "resnetlab_wrong.made adds the recipe 'quick', which resnetlab has",
    ADD + "register.recipe('mine')(3)": f"{OF}: the recipe 'mine' is no function: 3",
    ADD + "@register.recipe\ndef mine(depth): ...": "a name of letters",
}
"""What a package's module may be, and what is said of it."""


@pytest.mark.parametrize(("code", "said"), WRONG.items())
def test_what_is_wrong_with_a_package_is_said_with_its_name(install: Install, code: str, said: str) -> None:
    install(TOML.format(name="mine"), code)

    done = run("train", "resnet8", "--data", "digits", "--recipe", "mine", "--dry-run", code=2)

    assert said in done.stderr
    assert run("show", "quick").returncode == 0  # all else works


def test_what_a_function_gives_that_is_no_such_thing_is_said(install: Install) -> None:
    register = resnetlab.register
    register.container("odd", recognises=lambda path: path.suffix == ".odd")(lambda path: [1])
    register.naming("odd", anchor="odd")(lambda shapes: 3)
    Path("data.odd").touch()
    save_file({"odd": torch.zeros(1)}, "weights.safetensors")

    data = run("train", "resnet8", "--data", "data.odd", code=2)
    weights = run("import", "weights.safetensors", code=5)

    assert "the container 'odd' read data.odd as list\nDue is {SPLIT: (images, labels)}" in data.stderr
    assert "the naming 'odd' gives 3, no names and ModelSpec" in weights.stderr


def test_splits_of_a_container_are_chosen_and_its_classes_named(install: Install) -> None:
    images, labels = np.random.default_rng(3).integers(0, 256, (12, 8, 8), np.uint8), [0, 1] * 6
    register = resnetlab.register
    register.container("odd", recognises=lambda path: path.suffix == ".odd")(
        lambda path: {"first": (images, labels), "second": (images[:4], labels[:4])}
    )
    Path("data.odd").touch()
    Path("names.txt").write_text("dark\nbright\n")

    undivided = run("data", "show", "data.odd", code=3)
    source = resnetlab.open_source(
        "data.odd",
        choices=Choices.of({"train_split": "first", "test_split": "second", "class_names": "names.txt"}),
    )
    chosen = ["--data-set", "train_split=first", "--data-set", "test_split=second"]
    run("train", "resnet8", "--data", "data.odd", *chosen, "--steps", "1", "--batch", "4", "--out", "odd")

    assert "Choose, e.g. --data-set train_split=first" in undivided.stderr
    assert (len(source.train), len(source.test), source.class_names) == (12, 4, ("dark", "bright"))
    assert "of 4" in run("eval", "odd").stdout


def raise_error(*given: object) -> Any:
    raise ValueError("no such thing")


ODD_CONTENTS: dict[str, tuple[Callable[..., Any], str]] = {
    "a number for a pair": (lambda path: {"train": 5}, "read data.odd as {'train': int}\nDue is {SPLIT:"),
    "a number for a name": (lambda path: {5: ([], [])}, "read data.odd as {5: tuple}\nDue is"),
    "nothing": (lambda path: {}, "read data.odd as nothing\nDue is"),
    "ragged images": (
        lambda path: {"": ([[1], [1, 2]], [0, 1])},
        "cannot read data.odd: ValueError: setting",
    ),
    "words for pixels": (lambda path: {"": (np.full((2, 8, 8), "x"), [0, 1])}, "images of type <U1"),
    "an error": (
        raise_error,
        "raise_error cannot read data.odd: ValueError: no such thing\nIt was raised in",
    ),
}


@pytest.mark.parametrize(("read", "said"), ODD_CONTENTS.values(), ids=ODD_CONTENTS)
def test_what_a_container_cannot_give_is_said(install: Install, read: Callable[..., Any], said: str) -> None:
    resnetlab.register.container("odd", recognises=lambda path: path.suffix == ".odd")(read)
    Path("data.odd").touch()

    assert said in run("train", "resnet8", "--data", "data.odd", code=None).stderr


def test_an_error_in_a_recipe_an_optimizer_or_a_naming_of_others_names_it(install: Install) -> None:
    register = resnetlab.register
    register.recipe("odd")(raise_error)
    register.optimizer("odd", state=[])(raise_error)
    register.naming("odd", anchor="odd")(raise_error)
    save_file({"odd": torch.zeros(1)}, "weights.safetensors")
    train = ("train", "resnet8", "--data", "digits", "--out", "out")

    recipe = run(*train, "--recipe", "odd", code=2).stderr
    optimizer = run(*train, "--set", "optimizer=odd", code=2).stderr
    weights = run("import", "weights.safetensors", code=5).stderr

    whose, what = "'odd' of tests.docs.test_extending.raise_error cannot", "ValueError: no such thing"
    assert f"the recipe {whose} be made for 8 layers: {what}\nIt was raised in {__file__}, line" in recipe
    assert f"the optimizer {whose} be tried: {what}\nIt was raised in" in optimizer
    assert f"the naming {whose} read these names: {what}" in weights


def write_arrays(path: Path) -> None:
    images = np.random.default_rng(3).integers(0, 256, (60, 8, 8), np.uint8)
    np.savez(path, images=images, labels=np.arange(60) % 2)


def test_a_container_that_cannot_be_imported_is_passed_over(install: Install) -> None:
    write_arrays(Path("data.npz"))
    Path("data.odd").touch()
    run("train", "resnet8", "--data", "data.npz", "--steps", "1", "--batch", "4", "--out", "one")
    install('[project.entry-points."resnetlab.containers"]\nodd = "resnetlab_wrong"', "import no_such_module")

    planned = run("train", "resnet8", "--data", "data.npz", "--batch", "4", "--dry-run")
    scored = run("eval", "one")
    refused = run("data", "show", "data.odd", code=3).stderr
    Path("data.npz").write_text("damaged")
    unread = run("eval", "one", code=3).stderr

    said = "passed over: the container 'odd' of resnetlab-wrong 1.2 cannot be imported: ModuleNotFoundError"
    assert all(said in " ".join((done.stdout + done.stderr).split()) for done in (planned, scored))
    assert said in refused and "data.odd" in refused.partition("passed over")[0]
    assert said in unread and "--data" not in unread


def test_a_container_that_cannot_tell_what_is_its_own_is_passed_over(install: Install) -> None:
    def is_its_own(path: Path) -> bool:
        return path.open("rb").read(4) == b"ODD!"

    resnetlab.register.container("odd", recognises=is_its_own)(raise_error)
    write_folder(Path("photos"), {"train": {"a": 4, "b": 4}})

    (note,) = (each for each in resnetlab.open_source("photos").notes if "passed over" in each)

    assert "the container 'odd' of tests.docs.test_extending.raise_error cannot tell whether photos" in note
    assert "IsADirectoryError" in note


def test_a_naming_that_cannot_be_imported_is_passed_over(install: Install) -> None:
    install('[project.entry-points."resnetlab.namings"]\nodd = "resnetlab_wrong"', "import no_such_module")
    save_file(resnetlab.create_model("resnet8").state_dict(), "weights.safetensors")
    save_file({"odd": torch.zeros(1)}, "odd.safetensors")

    imported, refused = (
        run("import", "weights.safetensors", "-o", "ours"),
        run("import", "odd.safetensors", code=5),
    )

    said = "passed over: the naming 'odd' of resnetlab-wrong 1.2 cannot be imported: ModuleNotFoundError"
    assert all(said in " ".join((done.stdout + done.stderr).split()) for done in (imported, refused))


def test_two_namings_of_ours_under_one_name_are_refused(tmp_path: Path) -> None:
    package = tmp_path / "resnetlab"
    shutil.copytree(Path(resnetlab.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    namings = package / "weights" / "namings"
    shutil.copy(namings / "open_lth.py", namings / "again.py")

    done = subprocess.run(
        [sys.executable, "-c", "import resnetlab.weights.namings"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert "adds the naming 'open-lth', which resnetlab has already" in done.stderr


def test_an_optimizer_that_nobody_offers_is_refused_in_a_file_too(install: Install) -> None:
    Path("mine.json").write_text('{"optimizer": {"optimizer": "mion"}}')

    refused = run("train", "resnet8", "--data", "digits", "--recipe", "mine.json", "--dry-run", code=2)

    assert "no optimizer is called 'mion'\nDid you mean muon" in refused.stderr
    assert "or one that a package adds (docs/extending.md)" in run("show", "quick").stdout


def test_a_name_that_two_packages_offer_is_refused(install: Install) -> None:
    for number in (1, 2):
        toml = TOML.format(name="mine").replace("wrong", f"wrong{number}")
        install(toml, RECIPE.format(name="mine", value="Recipe()"))

    with pytest.raises(
        UsageError, match=r"'mine' is offered by resnetlab-wrong[12] 1.2 and by resnetlab-wrong[12]"
    ):
        resnetlab.named_recipe("mine")


def test_a_package_that_cannot_be_read_offers_nothing(install: Install, tmp_path: Path) -> None:
    (tmp_path / "site" / "odd-1.dist-info" / "entry_points.txt").mkdir(parents=True)

    with pytest.raises(UsageError, match=r"no recipe is called 'nothing'"):
        resnetlab.named_recipe("nothing")


def test_a_folder_on_the_path_that_cannot_be_looked_into_offers_nothing(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is too long; without the right to look into it a folder is refused alike."""
    monkeypatch.syspath_prepend("x" * 5000)

    with pytest.raises(UsageError, match=r"no recipe is called 'nothing'"):
        resnetlab.named_recipe("nothing")


def test_a_program_adds_without_a_package_and_may_run_its_cell_twice(install: Install) -> None:
    def add() -> None:
        @resnetlab.register.recipe("cell")
        def cell(depth: int) -> resnetlab.Recipe:
            return resnetlab.Recipe()

    add()
    add()

    assert resnetlab.named_recipe("cell").name == "cell"
    with pytest.raises(UsageError, match=r"which tests.*cell has already"):
        resnetlab.register.recipe("cell")(lambda depth: resnetlab.Recipe())
