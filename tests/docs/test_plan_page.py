"""docs/plan_resnet50.md shows what its commands print."""

import re
import shlex
from pathlib import Path

from tests.kit.commands import run

PAGE = Path(__file__).parents[2] / "docs" / "plan_resnet50.md"
ASSUMED = "\n\n| assumed"


def test_every_table_is_what_its_command_prints_and_the_assumptions_are_those_of_the_second() -> None:
    text = PAGE.read_text(encoding="utf-8")
    commands = re.findall(
        r"^```sh\nresnetlab (plan [^\n]+)\n```\n\n(.+?)\n\n##", text, re.MULTILINE | re.DOTALL
    )
    printed = [run(*shlex.split(command)).stdout.strip() for command, _ in commands]

    assert len(commands) == text.count("```sh") == 4
    assert [shown for _, shown in commands] == [output.partition(ASSUMED)[0] for output in printed]
    assert text.strip().endswith(printed[1].partition(ASSUMED)[2])
