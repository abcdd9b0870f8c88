"""docs/reading.md: ten files, from which the whole is understood, may be read in an evening."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_ten_files_are_there_and_short() -> None:
    rows = re.findall(
        r"^\| (\d+) \| \[.+?\]\(\.\./(.+?)\)", (ROOT / "docs" / "reading.md").read_text(), re.MULTILINE
    )

    assert [int(number) for number, _ in rows] == list(range(1, 11))
    assert sum((ROOT / path).read_text().count("\n") for _, path in rows) <= 1500
