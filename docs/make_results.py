"""Rewrite the tables of docs/results.md that are made of records; with --check see whether they are as made.

python docs/make_results.py [--check]

A block is what lies between these two lines, each alone in its line; the paths are from the project's root
and may have * and ?:

    <!-- made by: resnetlab report docs/results/records/m10b-*.json --markdown -->
    <!-- end of what is made -->

The command is the one that a reader types: `resnetlab report RECORD... --markdown`, or
`resnetlab reproduce NAME --budget BUDGET --records RECORD...`, whose table is made of the records of that
reproduction alone, nothing trained and no data read.
"""

import argparse
import re
import shlex
import sys
from pathlib import Path

from resnetlab.base.files import write_file
from resnetlab.errors import ResnetlabError, UsageError
from resnetlab.reporting import report
from resnetlab.reporting.records.collecting import read_records_at
from resnetlab.reproducing.budgets import budget_of
from resnetlab.reproducing.named import reproduction
from resnetlab.reproducing.results.outcomes import outcomes_of
from resnetlab.reproducing.results.tables import ResultTable

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "results.md"

BLOCK = re.compile(
    r"^<!-- made by: (?P<command>[^\n]*?) -->\n(?P<made>.*?)^<!-- end of what is made -->$", re.M | re.S
)
_MARK = re.compile(r"^<!-- (made by:|end of what is made)", re.M)


def rewritten(text: str, root: Path = ROOT) -> str:
    """Return a page with all of its blocks made anew.

    Args:
        text: The page.
        root: Where the paths of the commands begin.

    Raises:
        UsageError: If a block is not closed, its command is another, or there is no record at its paths.
        DataError: If a record is damaged.
    """
    blocks = [*BLOCK.finditer(text)]
    if len(_MARK.findall(text)) != 2 * len(blocks):
        raise UsageError("a block is begun and not ended, or ended and not begun")
    return BLOCK.sub(lambda found: _block(found["command"], root), text)


def _block(command: str, root: Path) -> str:
    return f"<!-- made by: {command} -->\n\n{_table(command, root)}\n\n<!-- end of what is made -->"


def _table(command: str, root: Path) -> str:
    words = shlex.split(command)
    if words[:2] == ["resnetlab", "report"] and words[-1] == "--markdown":
        table = report(_files(words[2:-1], command, root)).markdown()
    elif words[:2] == ["resnetlab", "reproduce"] and words[3:4] + words[5:6] == ["--budget", "--records"]:
        named, budget = reproduction(words[2]), budget_of(words[4])
        records = read_records_at(_files(words[6:], command, root))
        table = ResultTable(
            reproduction=named, budget=budget, outcomes=outcomes_of(named, budget, records)
        ).markdown()
    else:
        raise UsageError(f"no command of a block: {command}", hint=(__doc__ or "").split("\n\n")[-1].strip())
    return table.replace(f"{root}/", "").strip()


def _files(patterns: list[str], command: str, root: Path) -> list[Path]:
    found: dict[Path, None] = {}
    for pattern in patterns:
        these = sorted(root.glob(pattern))
        if not these:
            raise UsageError(f"no record at {pattern}, of which `{command}` is to be made")
        found.update(dict.fromkeys(these))
    return [*found]


def main() -> None:
    """Write what is to be written, or with --check say what would be."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail if a table is not as it would be made"
    )
    options = parser.parse_args()
    text = PAGE.read_text(encoding="utf-8")
    try:
        made = rewritten(text)
    except ResnetlabError as error:
        sys.exit(f"docs/results.md: {error}")
    if made == text:
        return
    if options.check:
        sys.exit(
            "docs/results.md: a table is not as its records say.\n"
            "Run `make results` and commit what it writes."
        )
    write_file(PAGE, made)
    sys.stdout.write("docs/results.md\n")


if __name__ == "__main__":
    main()
