"""What the processor has beside the instructions of its kind: registers for many numbers, short numbers."""

import platform
from pathlib import Path

_ABILITIES = {
    "x86": {
        "AVX2": ("avx2",),
        "AVX-512": ("avx512f",),
        "bf16": ("avx512_bf16", "amx_bf16"),
        "VNNI": ("avx512_vnni", "avx_vnni"),
        "AMX": ("amx_tile",),
    },
    "arm": {"NEON": ("asimd", "neon"), "SVE": ("sve",), "bf16": ("bf16",), "i8mm": ("i8mm",)},
}
"""By family: what people call it, and the names of it that Linux gives."""


def abilities(told: str | None = None) -> dict[str, bool] | None:
    """Return what the processor has and what not; None where the system does not tell.

    Args:
        told: The content of Linux' /proc/cpuinfo; left out, this machine's.
    """
    if told is None:
        try:
            told = Path("/proc/cpuinfo").read_text()
        except OSError:
            return None
    for line in told.splitlines():
        name, colon, flags = line.partition(":")
        if colon and name.strip() in ("flags", "Features"):
            family = "x86" if name.strip() == "flags" else "arm"
            there = set(flags.split())
            return {title: not there.isdisjoint(names) for title, names in _ABILITIES[family].items()}
    return None


def abilities_in_words(found: dict[str, bool] | None) -> str:
    """Return e.g. "AVX2, AVX-512, bf16, VNNI; no AMX"."""
    if found is None:
        return f"not told by {platform.system() or 'this system'}"
    has = ", ".join(title for title, is_there in found.items() if is_there)
    lacks = ", ".join(title for title, is_there in found.items() if not is_there)
    return "; ".join(filter(None, (has, f"no {lacks}" if lacks else "")))
