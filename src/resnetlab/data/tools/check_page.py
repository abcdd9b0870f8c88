"""The page of `data check`: one HTML file with everything in it, light or dark as the reader's system."""

from collections import Counter
from html import escape
from pathlib import Path

from resnetlab.base import files
from resnetlab.base.files import doing
from resnetlab.data.tools.check import UNBALANCED, CheckReport
from resnetlab.data.tools.check_findings import ERRORS, Finding, Kind

MOST_ROWS = 200  # of each kind; the JSON has all

_TITLES: dict[Kind, tuple[str, str]] = {
    "corrupt": ("Corrupt", "cannot be decoded; remove or replace them, or train with --bad-samples"),
    "leak": ("In two splits", "the score on such an image says what was learnt by heart"),
    "contradiction": ("In two classes", "the same image cannot be both; keep it in one class"),
    "duplicate": ("Twice in a class", "counts for two in training"),
    "small": ("Small", "a side below 32 pixels; enlarging adds nothing"),
    "suffix": ("Misnamed", "read by content, so this does no harm here; other programs may stumble"),
}
_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --faint: #4a5563; --paper: #ffffff; --line: #d8dde3;
  --panel: #f4f5f7; --bad: #8a2c00; --good: #00624a; --bar: #0072b2; }
@media (prefers-color-scheme: dark) { :root { --ink: #eef1f5; --faint: #c0c8d2; --paper: #12161c;
  --line: #303844; --panel: #1b2028; --bad: #ffc08a; --good: #2bc194; --bar: #56b4e9; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1.15rem; margin: 2rem 0 0; }
p { margin: .25rem 0 .75rem; } .faint { color: var(--faint); } .bad { color: var(--bad); font-weight: 600; }
.good { color: var(--good); font-weight: 600; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .35rem .75rem .35rem 0; overflow-wrap: anywhere;
  border-top: 1px solid var(--line); }
thead th { border-top: 0; color: var(--faint); font-weight: 600; }
td.number, th.number { text-align: right; white-space: nowrap; }
td.picture { width: 6.5rem; }
img { max-width: 6rem; max-height: 6rem; display: block; background: var(--panel); }
.bar { background: var(--bar); height: .7rem; margin-top: .45rem; min-width: 1px; }
summary { cursor: pointer; color: var(--faint); margin-top: 1rem; }
"""


def write_check_page(report: CheckReport, path: Path) -> None:
    """Write the report as one HTML file that needs nothing else: no network, no script.

    Raises:
        WriteError: If it cannot be written.
    """
    with doing("writing the page of findings", "Mend that, or choose another file with --html."):
        files.write_file(path, _page(report))


def _page(report: CheckReport) -> str:
    verdict = (
        '<span class="good">clean</span>' if report.is_clean else '<span class="bad">needs attention</span>'
    )
    samples = ", ".join(f"{count:,} {part}" for part, count in report.samples.items())
    body = [
        f"<h1>{escape(_shown(report.name))}: {verdict}</h1>",
        f'<p class="faint">{escape(_shown(report.origin))}: {samples} images, '
        f"{len(report.samples_per_class):,} classes</p>",
        _overview(report),
        *(_section(kind, report.of_kind(kind)) for kind in _TITLES if report.of_kind(kind)),
        _classes(report),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(_shown(report.name))}: data check</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def _overview(report: CheckReport) -> str:
    counts = Counter(finding.kind for finding in report.findings)
    rows = []
    for kind, (title, _) in _TITLES.items():
        look = ("bad" if kind in ERRORS else "") if counts[kind] else "good"
        rows.append((title, f'<span class="{look}">{counts[kind]:,}</span>'))
    uneven = "bad" if report.imbalance >= UNBALANCED else "good"
    rows.append(("Largest class by smallest", f'<span class="{uneven}">{report.imbalance:.1f}</span>'))
    for title, table in (("Formats", report.formats), ("Modes", report.modes)):
        rows.append((title, escape(", ".join(f"{name} {count:,}" for name, count in table.items()))))
    rows += [("Note", escape(_shown(note))) for note in report.notes]
    return (
        "<table>" + "".join(f"<tr><th>{title}</th><td>{text}</td></tr>" for title, text in rows) + "</table>"
    )


def _section(kind: Kind, findings: tuple[Finding, ...]) -> str:
    title, meaning = _TITLES[kind]
    more = len(findings) - MOST_ROWS
    rest = f'<p class="faint">and {more:,} more</p>' if more > 0 else ""
    rows = "".join(map(_row, findings[:MOST_ROWS]))
    return f'<h2>{title}: {len(findings):,}</h2><p class="faint">{meaning}</p><table>{rows}</table>{rest}'


def _row(finding: Finding) -> str:
    picture = f'<img alt="" src="{finding.thumbnail}">' if finding.thumbnail else ""
    places = "<br>".join(
        f'{escape(_shown(place))} <span class="faint">{part}, {escape(_shown(name))}</span>'
        for place, part, name in zip(finding.places, finding.parts, finding.classes, strict=True)
    )
    detail = escape(_shown(finding.detail))
    return f'<tr><td class="picture">{picture}</td><td>{places}</td><td>{detail}</td></tr>'


def _classes(report: CheckReport) -> str:
    most = max(counts["train"] for counts in report.samples_per_class.values())
    parts = list(report.samples)
    head = "".join(f'<th class="number">{part}</th>' for part in parts)
    rows = []
    for name, counts in report.samples_per_class.items():
        numbers = "".join(f'<td class="number">{counts[part]:,}</td>' for part in parts)
        bar = f'<td><div class="bar" style="width:{100 * counts["train"] / max(1, most):.1f}%"></div></td>'
        rows.append(f"<tr><td>{escape(_shown(name))}</td>{numbers}{bar}</tr>")
    return (
        f"<details{' open' if len(rows) <= 20 else ''}><summary>Images per class</summary><table>"
        f"<thead><tr><th>class</th>{head}<th></th></tr></thead>{''.join(rows)}</table></details>"
    )


def _shown(text: str) -> str:
    """Return the text with a replacement for what a file system's bytes could not be read as."""
    return text.encode(errors="replace").decode()
