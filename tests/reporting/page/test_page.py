"""The page of a report: a pure function of its JSON, in which every number stands and no name is markup."""

import copy
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from resnetlab.errors import DataError
from resnetlab.reporting import report
from resnetlab.reporting.axes import Axis, value_axis
from resnetlab.reporting.page import render
from tests.kit.report_pages import Page, read_golden
from tests.kit.reported_runs import as_cifar

HERE = Path(__file__).parent
SECTIONS = [
    "verdict",
    "curves",
    "confusion",
    "classes",
    "mistakes",
    "doubtful",
    "calibration",
    "use",
    "inside",
    "drawing",
    "recipe",
    "data",
    "machine",
]


@pytest.fixture(scope="module")
def golden() -> Any:
    return read_golden(HERE)


def test_the_golden_report_is_the_page_that_it_was(golden: Any) -> None:
    """RESNETLAB_GOLDEN=1 writes what the page says anew; the difference is to be read."""
    path = HERE / "golden.txt"
    said = "\n".join(Page(render(golden)).texts) + "\n"
    if os.environ.get("RESNETLAB_GOLDEN"):
        path.write_text(said)

    assert said == path.read_text()


def test_it_is_whole_and_carries_everything(golden: Any) -> None:
    page = Page(render(golden))

    assert (page.open, page.wrong) == ([], [])
    assert page.sections == SECTIONS
    links = [
        value for _, each in page.tags for name, value in each.items() if name in ("src", "href", "srcset")
    ]
    assert all(str(link).startswith(("data:image/png;base64,", "#")) for link in links)
    assert "://" not in re.sub(r"http://www\.w3\.org/2000/svg", "", page.content)


def test_nothing_is_styled_or_scripted_where_the_policy_forbids_it(golden: Any) -> None:
    attributes = [name for _, each in Page(render(golden)).tags for name in each]

    assert [name for name in attributes if name == "style" or name.startswith("on")] == []


def test_it_can_be_read_without_eyes(golden: Any) -> None:
    page = Page(render(golden))

    ids = [each["id"] for _, each in page.tags if "id" in each]
    assert len(ids) == len({*ids})
    assert all(each.get("alt") for each in page.of("img"))
    assert all(
        each.get("aria-hidden") or each.get("aria-label") or each.get("aria-labelledby")
        for each in page.of("svg")
    )
    assert all(each.get("scope") for each in page.of("th"))
    assert all(each.get("type") == "button" for each in page.of("button"))


def test_every_link_of_the_page_leads_to_a_section(golden: Any) -> None:
    page = Page(render(golden))

    assert [str(each["href"]).removeprefix("#") for each in page.of("a")] == [
        name for name in page.sections if name != "verdict"
    ]


HOSTILE = "</script><script>hacked=1</script><img src=x onerror=hacked=1>\"'><svg/onload=hacked=1>"


def test_no_name_is_markup(golden: Any) -> None:
    spoilt = json.loads(json.dumps(golden), object_hook=_hostile)
    sound = Page(render(golden))

    page = Page(render(spoilt))

    assert HOSTILE in " ".join(page.texts)
    assert (page.open, page.wrong) == ([], [])
    assert [tag for tag, _ in page.tags if tag == "script"] == ["script"] * len(sound.of("script"))
    assert [name for _, each in page.tags for name in each if name.startswith("on")] == []
    assert len(page.of("img")) == len(sound.of("img"))


def _hostile(found: dict[str, Any]) -> dict[str, Any]:
    for name in (
        "name",
        "path",
        "title",
        "data",
        "source",
        "place",
        "taken_for",
        "sentence",
        "what",
        "layer",
        "folder",
    ):
        if (
            isinstance(found.get(name), str)
            and found.get("published_parameters", 0) == 0
            and "unit" not in found
        ):
            found[name] = HOSTILE
    for name in ("classes", "answers", "notes", "broken"):
        if isinstance(found.get(name), list) and all(isinstance(each, str) for each in found[name]):
            found[name] = [HOSTILE] * len(found[name])
    return found


def test_what_is_no_picture_is_not_shown(golden: Any) -> None:
    spoilt = copy.deepcopy(golden)
    pictures = spoilt["detail"]["insights"]["pictures"]
    spoilt["detail"]["insights"]["pictures"] = ["javascript:alert(1)"] + ["data:text/html,<script>"] * (
        len(pictures) - 1
    )

    page = render(spoilt)

    assert "javascript:" not in re.sub(r'<script type="application/json".*?</script>', "", page)
    assert Page(page).of("img") == []


def test_other_versions_are_refused(golden: Any) -> None:
    for change in ({"version": 2}, {"format": "other"}):
        with pytest.raises(DataError, match="no report of version 1"):
            render(golden | change)


def test_a_run_of_which_nothing_is_known_has_a_page(golden: Any) -> None:
    empty = copy.deepcopy(golden)
    empty["curves"] = []
    empty["runs"][0] |= {
        "seen": None,
        "correct": None,
        "interval": None,
        "error": None,
        "seconds": None,
        "state": "unfinished",
    }
    empty["detail"] |= {
        "evaluation": None,
        "insights": None,
        "history": [],
        "missing": [{"what": "All.", "command": "resnetlab eval x"}],
    }

    page = Page(render(empty))

    assert page.sections == ["verdict", "curves", "use", "drawing", "recipe", "data", "machine", "missing"]
    assert "There is no curve yet: nothing was written down of a step." in page.texts


def test_comparisons_are_shown_in_words_and_as_intervals(real_runs: Path, tmp_path: Path) -> None:
    for network, right in (("resnet20", (9100, 9120, 9130)), ("resnet56", (9300, 9310, 9290))):
        for seed, correct in enumerate(right):
            as_cifar(real_runs / "seed0", tmp_path / f"{network}-{seed}", network, seed=seed, correct=correct)
    contents = report(tmp_path).contents()

    page = Page(render(contents))

    pair = contents["comparisons"][0]
    assert page.sections == ["curves", "seeds", "comparisons", "runs"]
    assert {*pair["words"], *pair["warnings"]} <= {*page.texts}
    assert {f"{pair['difference']:+.2f}", "yes", "< .001"} <= {*page.texts}


@pytest.mark.parametrize("count", [3, 30, 100, 300])
def test_any_number_of_classes_gives_a_page_of_bounded_size(golden: Any, count: int) -> None:
    many = copy.deepcopy(golden)
    names = [f"class {index}" for index in range(count)]
    row = golden["detail"]["evaluation"]["per_class"][0]
    many["detail"]["evaluation"] |= {
        "classes": names,
        "answers": names,
        "per_class": [row] * count,
        "worst": None,
        "examples": None,
        "confusion": [[t, (t + k) % count, 3 - k] for t in range(count) for k in range(3)],
    }
    many["detail"]["insights"] = None

    page = Page(render(many))

    assert page.open == []
    assert len(page.content) < 900_000
    buttons = [each for each in page.of("button") if "data-cell" in each]
    assert len(buttons) >= 2 * min(count, 15)


def test_axes_hold_what_they_are_of() -> None:
    short = value_axis([3.0], [88.0, 22.0, 3.0], most=100, is_short=True)
    long = value_axis([8.0, 7.0], [90.0, 60.0, 8.0, 7.0], most=100)
    flat = value_axis([50.0], [60.0, 50.0], most=100)
    full = value_axis([93.0], [98.0, 93.0], most=100)

    assert (short.is_log, short.low, short.high) == (True, 2.0, 100)
    assert (long.is_log, long.low, long.high) == (False, 0.0, 10.0)
    assert (flat.is_log, flat.high) == (False, 80.0)
    assert full.high == 100, "of an error there is no more"
    assert short.place(2.0) == 0.0
    assert short.place(100.0) == pytest.approx(1.0)
    assert Axis(low=0.0, high=64_000.0).ticks(8) == [10_000.0 * n for n in range(7)]
