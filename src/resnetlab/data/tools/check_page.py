"""The page of `data check`: one HTML file with everything in it, light or dark as the reader's system."""

from collections import Counter
from pathlib import Path

from resnetlab.base import files
from resnetlab.base.files import doing
from resnetlab.base.pages.frame import html_page, text
from resnetlab.data.tools.check import UNBALANCED, CheckReport
from resnetlab.data.tools.check_findings import ERRORS, Finding, Kind

MOST_ROWS = 200  # of each kind; the JSON has all

_TITLES: dict[Kind, tuple[str, str]] = {
    "corrupt": ("Corrupt", "cannot be decoded; remove or replace them, or train with --bad-samples"),
    "leak": ("In two splits", "the score on such an image says what was learnt by heart"),
    "contradiction": ("In two classes", "the same image cannot be both; keep it in one class"),
    "duplicate": ("Twice in a class", "counts for two in training"),
    "dark": (
        "Dark",
        "16-bit files with values of 12 bits or fewer lose most of them in 8 bits: multiply them once, by 16",
    ),
    "small": ("Small", "a side below 32 pixels; enlarging adds nothing"),
    "suffix": ("Misnamed", "read by content, so this does no harm here; other programs may stumble"),
}


def write_check_page(report: CheckReport, path: Path) -> None:
    """Write the report as one HTML file that needs nothing else, and nothing of the network.

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
        f"<h1>{text(report.name)}: {verdict}</h1>",
        f'<p class="faint">{text(report.origin)}: {samples} images, '
        f"{len(report.samples_per_class):,} classes</p>",
        _overview(report),
        *(_section(kind, report.of_kind(kind)) for kind in _TITLES if report.of_kind(kind)),
        _classes(report),
    ]
    switch = '<button type="button" class="theme" hidden>Dark</button>'
    return html_page(title=f"{report.name}: data check", body="\n".join([switch, *body]))


def _overview(report: CheckReport) -> str:
    counts = Counter(finding.kind for finding in report.findings)
    rows = []
    for kind, (title, _) in _TITLES.items():
        look = ("bad" if kind in ERRORS else "") if counts[kind] else "good"
        rows.append((title, f'<span class="{look}">{counts[kind]:,}</span>'))
    uneven = "bad" if report.imbalance >= UNBALANCED else "good"
    rows.append(("Largest class by smallest", f'<span class="{uneven}">{report.imbalance:.1f}</span>'))
    for title, table in (("Formats", report.formats), ("Modes", report.modes)):
        rows.append((title, text(", ".join(f"{name} {count:,}" for name, count in table.items()))))
    rows += [("Note", text(note)) for note in report.notes]
    return (
        "<table>" + "".join(f"<tr><th>{title}</th><td>{cell}</td></tr>" for title, cell in rows) + "</table>"
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
        f'{text(place)} <span class="faint">{part}, {text(name)}</span>'
        for place, part, name in zip(finding.places, finding.parts, finding.classes, strict=True)
    )
    detail = text(finding.detail)
    return f'<tr><td class="picture">{picture}</td><td>{places}</td><td>{detail}</td></tr>'


def _classes(report: CheckReport) -> str:
    most = max(counts["train"] for counts in report.samples_per_class.values())
    parts = list(report.samples)
    head = "".join(f'<th class="number">{part}</th>' for part in parts)
    rows = []
    for name, counts in report.samples_per_class.items():
        numbers = "".join(f'<td class="number">{counts[part]:,}</td>' for part in parts)
        width = 100 * counts["train"] / max(1, most)
        bar = f'<td><svg class="bar" aria-hidden="true"><rect width="{width:.1f}%" height="100%"/></svg></td>'
        rows.append(f"<tr><td>{text(name)}</td>{numbers}{bar}</tr>")
    return (
        f"<details{' open' if len(rows) <= 20 else ''}><summary>Images per class</summary><table>"
        f"<thead><tr><th>class</th>{head}<th></th></tr></thead>{''.join(rows)}</table></details>"
    )
