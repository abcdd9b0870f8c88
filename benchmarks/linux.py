"""What Linux tells of the machine and of a program with all its processes; elsewhere all is 0 or empty."""

import contextlib
import os
import re
from pathlib import Path

_ABILITIES = re.compile(
    r"avx|avx2|fma|avx512f|avx512_(bf16|vnni|fp16)|avx_vnni|amx_\w+|asimd|asimddp|bf16|i8mm|sve2?"
)
"""Of a processor's flags, those that decide how fast it multiplies."""


def abilities() -> list[str]:
    """Return the instruction sets for products that the processor has."""
    text = _text("/proc/cpuinfo")
    found = re.search(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
    return [flag for flag in (found[1].split() if found else []) if _ABILITIES.fullmatch(flag)]


def memory_bytes() -> int:
    """Return the machine's memory."""
    found = re.search(r"^MemTotal:\s*(\d+)", _text("/proc/meminfo"), re.MULTILINE)
    return 1024 * int(found[1]) if found else 0


def busy_seconds() -> float:
    """Return the seconds that all cores together have worked since the machine was started."""
    if not (text := _text("/proc/stat")):
        return 0.0
    user, nice, system, _, _, interrupts, soft = map(int, text.split()[1:8])
    return (user + nice + system + interrupts + soft) / os.sysconf("SC_CLK_TCK")


class Group:
    """The processes of a process group."""

    def __init__(self, number: int) -> None:
        self._number = number

    def busy_seconds(self) -> float:
        """Return the seconds that cores have worked for those that live."""
        ticks = sum(int(fields[11]) + int(fields[12]) for _, fields in self._processes())
        return ticks / os.sysconf("SC_CLK_TCK")

    def peak_bytes(self) -> int:
        """Return the most memory that each had in use since `forget_peak`, added up."""
        return sum(_kilobytes(number, "VmHWM") for number, _ in self._processes()) * 1024

    def forget_peak(self) -> None:
        """Have the peak be what is in use now."""
        for number, _ in self._processes():
            with contextlib.suppress(OSError):
                Path(f"/proc/{number}/clear_refs").write_text("5")

    def _processes(self) -> list[tuple[str, list[str]]]:
        """Return the number and the state of each: the fields of /proc/N/stat behind the program's name."""
        found = []
        for entry in Path("/proc").glob("[0-9]*") if Path("/proc/self/stat").exists() else ():
            fields = _text(f"{entry}/stat").rpartition(")")[2].split()
            if len(fields) > 12 and int(fields[2]) == self._number:
                found.append((entry.name, fields))
        return found


def _kilobytes(number: str, name: str) -> int:
    found = re.search(rf"^{name}:\s*(\d+)", _text(f"/proc/{number}/status"), re.MULTILINE)
    return int(found[1]) if found else 0


def _text(path: str) -> str:
    """Return what a file says, "" if there is none any more."""
    try:
        return Path(path).read_text()
    except OSError:
        return ""
