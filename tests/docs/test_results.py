"""Every number in the marked blocks of docs/results.md is that of the records in docs/results/records."""

import importlib.util
import re
import shutil
from pathlib import Path
from types import ModuleType

import pytest

from resnetlab.errors import UsageError
from resnetlab.reporting.records.collecting import read_records_at
from resnetlab.reporting.records.record import MOST_BYTES

ROOT = Path(__file__).parents[2]
RECORDS = ROOT / "docs" / "results" / "records"
PAGE = """# Log

<!-- made by: resnetlab report results/m10b-*.json --markdown -->
<!-- end of what is made -->

The rest, 12.34 %, is left alone.
"""


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_results", ROOT / "docs" / "make_results.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_its_records_make(maker: ModuleType) -> None:
    text = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")

    assert maker.rewritten(text) == text, "run `make results`"


def test_all_records_are_read_and_small() -> None:
    found = read_records_at([RECORDS])

    assert len(found) >= 3
    assert max(each.path.stat().st_size for each in found) <= MOST_BYTES
    assert len({each.record.key for each in found}) == len(found)


def test_a_block_is_made_of_the_records_that_it_names(maker: ModuleType, tmp_path: Path) -> None:
    shutil.copytree(RECORDS, tmp_path / "results")
    made = maker.rewritten(PAGE, tmp_path)

    errors = [each.record.test.error for each in read_records_at([RECORDS]) if "m10b" in each.path.name]
    assert f"| 2 | {sum(errors) / 2:.2f} ± " in made
    assert made.startswith("# Log\n") and made.endswith("\nThe rest, 12.34 %, is left alone.\n")
    assert str(tmp_path) not in made
    assert maker.rewritten(made, tmp_path) == made
    changed = re.sub(r"\| 2 \| \d", "| 2 | 1", made)
    assert changed != made == maker.rewritten(changed, tmp_path)
    (tmp_path / "results" / "m10b-2.json").unlink()
    assert "| 1 | " in maker.rewritten(made, tmp_path)


def test_a_table_of_a_reproduction_is_made_of_its_records(maker: ModuleType, tmp_path: Path) -> None:
    shutil.copytree(RECORDS, tmp_path / "results")
    command = "resnetlab reproduce he2015-figure6 --budget tenth --records results"
    page = f"<!-- made by: {command} -->\n<!-- end of what is made -->\n"

    with pytest.raises(UsageError, match="no record at elsewhere"):
        maker.rewritten(page.replace("records results", "records elsewhere"), tmp_path)
    assert "| tenth | plain20 [1] | 1 | 15.30 |" in maker.rewritten(page, tmp_path)
    half = maker.rewritten(page.replace("tenth", "half"), tmp_path)
    assert "| half | plain20 | 0 | - |" in half  # what is shorter stands for nothing longer


@pytest.mark.parametrize(
    ("page", "told"),
    [
        (PAGE.replace("<!-- end of what is made -->\n", ""), "begun and not ended"),
        (PAGE.replace("resnetlab report", "rm -r"), "no command of a block: rm -r"),
        (PAGE.replace("m10b", "m99"), r"no record at results/m99-\*\.json"),
    ],
)
def test_a_block_that_cannot_be_made_is_refused(
    maker: ModuleType, tmp_path: Path, page: str, told: str
) -> None:
    shutil.copytree(RECORDS, tmp_path / "results")
    with pytest.raises(UsageError, match=told):
        maker.rewritten(page, tmp_path)
