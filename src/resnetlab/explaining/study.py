"""The whole of it: the runs, made or gone on with; what is measured of them; the contents of the page."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resnetlab.base import files
from resnetlab.base.pages import cell
from resnetlab.base.paths import user_path
from resnetlab.base.plaindata import to_json_bytes
from resnetlab.base.reading.plain import read_json
from resnetlab.errors import Interrupted, ResnetlabError, UsageError
from resnetlab.explaining.contents import FORMAT, VERSION, contents_of
from resnetlab.explaining.measuring import Measures, measure, measured_of, open_probe, with_digest
from resnetlab.explaining.page import render
from resnetlab.explaining.question import Question, default_place, rows_of
from resnetlab.runs.directory import RunDirectory
from resnetlab.show.drawing.saving import refuse_target
from resnetlab.training.ending.result import read_result
from resnetlab.training.planning import RunPlan
from resnetlab.training.studies import StudyObserver, is_study_begun_at, train_or_resume_study

DATA, PAGE = "residual.json", "residual.html"
PAGES = (".html", ".json")
_MEASURED = ("of", "images", "first_weights", "start", "around", "between", "sha256")


@dataclass(frozen=True, repr=False)
class Explanation:
    """What a study of shortcuts shows. Printed, it is the sentences of its page."""

    place: Path
    """The folder of its runs."""

    contents: Mapping[str, Any]
    """Everything on the page, as plain JSON data."""

    def __str__(self) -> str:
        parts = (self.contents["words"][name] for name in ("verdict", "errors", "start", "around", "between"))
        return "\n\n".join("\n".join(words) for words in parts)

    def __repr__(self) -> str:
        return f"<{self.contents['title']}: {self.place / PAGE}>"

    def _repr_html_(self) -> str:
        shares = [(each, each[of]) for each in self.contents["networks"] for of in ("train", "test")]
        told = [f"{100 * share['wrong'] / share['seen']:.1f} %" if share else "" for _, share in shares]
        names = [cell.text(each["name"]) for each in self.contents["networks"]]
        rows = [*zip(names, told[::2], told[1::2], strict=True)]
        header = ("network", "training error, last epoch", "test error")
        sentences = map(cell.paragraph, self.contents["words"]["verdict"])
        table = cell.table(header, rows, numbers=(1, 2))
        return cell.cell(self.contents["title"], *sentences, table, about=str(self.place / PAGE))

    def page(self, path: str | Path) -> None:
        """Write all of it as one file: .html is a page that needs nothing else, .json the data behind it.

        Raises:
            UsageError: If the suffix is another.
            WriteError: If the file could not be written.
        """
        target = user_path(path)
        refuse_target(target, PAGES, "page")
        is_page = target.suffix.lower() == ".html"
        files.write_file(target, render(self.contents) if is_page else to_json_bytes(dict(self.contents)))


def explain(
    question: Question,
    place: Path | None = None,
    *,
    observer: StudyObserver | None = None,
    tell: Callable[[str], None] = lambda text: None,
    measures: Measures | None = None,
) -> Explanation:
    """Make the runs, or what is left of them, measure them, and write data and page into their folder.

    Args:
        question: What is asked.
        place: The folder of the runs; None is runs/residual-DEPTHS-DATA-RECIPE-LENGTH-SEED.
        observer: Who watches the runs.
        tell: Is told what is being measured.
        measures: How much is measured; None is as the page says.

    Raises:
        UsageError: If the question cannot be, or the folder holds other runs, with what differs.
        Interrupted: If a signal came: all is saved, and the same call goes on.
        ResnetlabError: As training ends before its end.
    """
    measures = measures or Measures()

    def look(plans: Sequence[RunPlan]) -> bool:
        rows = rows_of(plans)
        return is_study_begun_at(place or default_place(rows), rows, resume_if_begun=True)

    try:
        plans = question.plans(look)
        place = place or default_place(plans)
        made = train_or_resume_study(plans, place, observer or StudyObserver())
    except Interrupted as error:
        error.hint = "The same command goes on, and makes the page when all runs have ended."
        raise
    except ResnetlabError as error:
        error.hint = error.hint.replace("--out", "--runs")
        raise
    if missing := [name for name in plans if name not in made]:
        raise UsageError(
            f"{', '.join(missing)} of {place} is still being made by another process",
            hint="The same command, when that has ended, makes the page.",
        )
    measured = _measured(plans, place, measures, tell)
    explanation = Explanation(place, contents_of(place, measured, question.command()))
    for name in (DATA, PAGE):
        explanation.page(place / name)
    return explanation


def _measured(
    plans: Mapping[str, RunPlan], place: Path, measures: Measures, tell: Callable[[str], None]
) -> dict[str, Mapping[str, Any]]:
    """Return what is measured of each run: as it was before, where it is the same run's."""
    before = measured_before(place)
    found: dict[str, Mapping[str, Any]] = {}
    probe = None
    for name, plan in plans.items():
        run = RunDirectory(place / name)
        of = measured_of(run, read_result(run).step, measures)
        if name in before and before[name].get("of") == of:
            found[name] = before[name]
            continue
        tell(f"measuring {plan.spec.name}: at the start, and the loss along {measures.directions + 1} lines")
        probe = probe or open_probe(run.path, plan, measures)
        found[name] = measure(run.path, probe, measures)
    return found


def measured_before(place: Path) -> dict[str, Mapping[str, Any]]:
    """Return what was measured when this was asked before, by run; not what was changed since."""
    try:
        contents = read_json(place / DATA)
        if (contents["format"], contents["version"]) != (FORMAT, VERSION):
            return {}
        found = {each["run"]: {name: each[name] for name in _MEASURED} for each in contents["networks"]}
        return {name: each for name, each in found.items() if each == with_digest(each)}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
