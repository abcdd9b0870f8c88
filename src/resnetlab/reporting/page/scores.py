"""What an evaluation found, on the page: confusions, classes, mistakes, doubtful labels, calibration."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from resnetlab.base.lettering import shorter
from resnetlab.reporting.page.parts import (
    bar,
    fold,
    image,
    items,
    paragraph,
    percent,
    section,
    table,
    text,
)

_MOST_IN_A_TABLE = 40
_MOST_IN_A_PICTURE = 200
_IN_WORDS = 5
_COMMONEST = 40
_BESIDE = 10
_FEW = 6
_ROTATED = 3
_SHOWN = {"worst": 16, "doubtful": 15}
"""Pictures that are not folded: whole rows of four, and of five, where there is room."""
_BESIDE_CLASSES = 14
_CONFUSIONS = "What is taken for what"
_LEVELS = 5
_OPEN_CLASSES = 20
_SIZE = 200.0


def name_of(evaluation: Mapping[str, Any], number: int) -> str:
    """Return an answer's name."""
    names = evaluation["answers"]
    return str(names[number]) if 0 <= number < len(names) else "(another class)"


def mistakes_of(evaluation: Mapping[str, Any]) -> list[tuple[int, int, int]]:
    """Return (truth, answer, count) of all mistakes, the commonest first."""
    wrong = [(t, a, n) for t, a, n in evaluation["confusion"] if t != a]
    return sorted(wrong, key=lambda row: (-row[2], row[0], row[1]))


def cells_data(evaluation: Mapping[str, Any], insights: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what the script shows of a cell: its title, its pictures, and places of others."""
    cells = insights["cells"] if insights else {}
    examples = evaluation["examples"] or {}
    found = {}
    for truth, answer, count in mistakes_of(evaluation):
        key = f"{truth}>{answer}"
        pictures = cells.get(key, [])
        if key not in cells and insights:
            pictures = [
                {"image": row["image"], "place": row["place"]}
                for row in insights["worst"]
                if row["image"] is not None and (row["truth"], row["answer"]) == (truth, answer)
            ]
        rows = [
            [row["place"] or f"image {row['sample']}", row["probability"]] for row in examples.get(key, [])
        ]
        found[key] = {
            "truth": name_of(evaluation, truth),
            "answer": name_of(evaluation, answer),
            "count": count,
            "pictures": pictures,
            "rows": rows,
        }
        if len(found) >= _MOST_IN_A_PICTURE * 10:
            break
    return found


def confusion_section(evaluation: Mapping[str, Any], title: str) -> str:
    """Return the confusion matrix, and the commonest confusions in words."""
    if not evaluation["confusion"]:
        return ""
    wrong, count = mistakes_of(evaluation), len(evaluation["classes"])
    matrix = ""
    if count <= _MOST_IN_A_TABLE:
        matrix = _matrix(evaluation, title)
    elif count <= _MOST_IN_A_PICTURE:
        matrix = _picture(evaluation, title)
    rows = [*_commonest(evaluation, wrong)]
    header = ("truth", "answered", "images", "of the class")
    beside = table("The commonest confusions", header, rows[:_BESIDE], texts=(0, 1)) if len(wrong) > 1 else ""
    words = _in_words(evaluation, wrong)
    listed = table("The commonest confusions", header, rows, texts=(0, 1))
    is_open = count > _MOST_IN_A_TABLE
    which = f"The commonest {len(rows)} of {len(wrong):,}" if len(rows) < len(wrong) else f"All {len(rows)}"
    more = fold(f"{which} confusions", listed, is_open=is_open)
    if count <= _BESIDE_CLASSES:
        matrix = f'<div class="beside">{matrix}<div>{beside}</div></div>'
        more = more if len(wrong) > _BESIDE else ""
    return section("confusion", _CONFUSIONS, words, matrix, more if rows else "")


def _in_words(evaluation: Mapping[str, Any], wrong: Sequence[tuple[int, int, int]]) -> str:
    if not wrong:
        return paragraph("No image was taken for another class.")
    total = sum(count for *_, count in wrong)
    told = [
        f"{name_of(evaluation, truth)} for {name_of(evaluation, answer)} ({count:,})"
        for truth, answer, count in wrong[:_IN_WORDS]
    ]
    many = f"{total:,} images were" if total > 1 else "One image was"
    which = "most often " if len(wrong) > 1 else ""
    return paragraph(f"{many} taken for another class, {which}{', '.join(told)}.")


def _level(share: float) -> int:
    """Return how dark a cell is; shares of mistakes are small, so their root counts."""
    return min(int(share**0.5 * _LEVELS), _LEVELS - 1)


def _matrix(evaluation: Mapping[str, Any], title: str) -> str:
    counts = {(t, a): n for t, a, n in evaluation["confusion"]}
    answers, names = evaluation["answers"], evaluation["classes"]
    totals = [sum(counts.get((t, a), 0) for a in range(len(answers))) for t in range(len(names))]
    head = "".join(f'<th scope="col"><span>{text(shorter(str(name), 24))}</span></th>' for name in answers)
    rows = []
    for truth, name in enumerate(names):
        cells = "".join(
            _cell(evaluation, truth, answer, counts.get((truth, answer), 0), totals[truth])
            for answer in range(len(answers))
        )
        rows.append(f'<tr><th scope="row">{text(shorter(str(name), 24))}</th>{cells}</tr>')
    size = "plain-heads " * all(len(str(name)) < _ROTATED for name in answers)
    size += "small" if len(answers) > _BESIDE_CLASSES else "few" if len(answers) <= _FEW else ""
    caption = (
        f"{title}. A row for each true class, a column for each answer. Cells with mistakes open; arrow keys"
        " move between them."
    )
    corner = '<td class="corner">true / answered</td>'
    return (
        f'<div><p class="caption">{text(caption)}</p><div class="scroll" role="region" tabindex="0"'
        f' aria-label="Confusion matrix"><table class="matrix {size}"><thead><tr>{corner}{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div></div>"
    )


def _cell(evaluation: Mapping[str, Any], truth: int, answer: int, count: int, total: int) -> str:
    if not count:
        return "<td></td>"
    share = count / total
    if truth == answer:
        return f'<td class="right k{_level(share * share)}">{count:,}</td>'
    names = f"{name_of(evaluation, truth)} taken for {name_of(evaluation, answer)}"
    said = f"{names}: {count:,}, {100 * share:.1f} % of the class"
    return (
        f'<td class="wrong k{_level(share)}"><button type="button" data-cell="{truth}&gt;{answer}"'
        f' aria-label="{text(said)}" title="{text(said)}">{count:,}</button></td>'
    )


def _picture(evaluation: Mapping[str, Any], title: str) -> str:
    """Return the matrix of many classes as rectangles; the list below it has the names."""
    count = len(evaluation["answers"])
    totals: dict[int, int] = {}
    for truth, _, number in evaluation["confusion"]:
        totals[truth] = totals.get(truth, 0) + number
    side = _SIZE / count
    parts = [
        f'<rect class="{"right" if t == a else "wrong"} k{_level((n / totals[t]) ** (2 if t == a else 1))}"'
        f' x="{a * side:.2f}" y="{t * side:.2f}" width="{side:.2f}" height="{side:.2f}"/>'
        for t, a, n in evaluation["confusion"]
    ]
    words = f"{title}. Rows are true classes, columns answers, in the order of the classes."
    box = f"-1 -1 {_SIZE + 2:g} {_SIZE + 2:g}"
    return (
        f'<figure class="matrix-picture"><svg viewBox="{box}" role="img"'
        f' aria-label="Confusion matrix: {text(words)}">'
        f'<rect class="frame" width="{_SIZE:g}" height="{_SIZE:g}"/>{"".join(parts)}</svg>'
        f"<figcaption>{paragraph(words, 'caption')}</figcaption></figure>"
    )


def _commonest(evaluation: Mapping[str, Any], wrong: Sequence[tuple[int, int, int]]) -> Iterator[list[str]]:
    samples = [row["samples"] for row in evaluation["per_class"]]
    for truth, answer, count in wrong[:_COMMONEST]:
        yield [
            text(name_of(evaluation, truth)),
            text(name_of(evaluation, answer)),
            f'<button type="button" class="count" data-cell="{truth}&gt;{answer}">{count:,}</button>',
            percent(count / samples[truth], 1) if samples[truth] else "",
        ]


def classes_section(evaluation: Mapping[str, Any]) -> str:
    """Return a bar for each class, the worst first."""
    pairs = zip(evaluation["classes"], evaluation["per_class"], strict=True)
    order = sorted(pairs, key=lambda pair: (not pair[1]["samples"], pair[1]["recall"]))
    rows = [
        [
            text(shorter(str(name), 48)),
            bar(row["recall"]),
            percent(row["recall"], 1),
            percent(row["precision"], 1),
            percent(row["f1"], 1),
            f"{row['samples']:,}",
            f"{text(shorter(str(row['taken_for']), 32))} ({row['taken_for_count']:,})"
            if row["taken_for"]
            else "",
        ]
        for name, row in order
    ]
    header = ("class", "", "recall", "precision", "F1", "images", "most often taken for")
    made = table(
        "Accuracy by class, the worst first", header, rows, texts=(0, 1, 6), sorts=True, kind="classes"
    )
    if len(rows) > _OPEN_CLASSES * 2:
        worst = table(
            "The classes with the lowest recall",
            header,
            rows[:_OPEN_CLASSES],
            texts=(0, 1, 6),
            kind="classes",
        )
        made = worst + fold(f"All {len(rows):,} classes", made)
    return section("classes", "Accuracy by class", made)


def mistakes_section(evaluation: Mapping[str, Any], insights: Mapping[str, Any] | None) -> str:
    """Return the worst mistakes, in pictures if there are any."""
    if insights and insights["worst"]:
        note = (
            "Wrong answers with the greatest loss; beside each image where the answer comes from (Grad-CAM)."
        )
        if not any(row["cam"] is not None for row in insights["worst"]):
            note = "Wrong answers with the greatest loss."
        return section(
            "mistakes",
            "The worst mistakes",
            paragraph(note, "faint"),
            _gallery(evaluation, insights, "worst"),
        )
    worst = evaluation["worst"]
    if not worst:
        return ""
    rows = [
        [
            text(shorter(row["place"], 80) or f"image {row['sample']:,}"),
            text(name_of(evaluation, row["truth"])),
            text(name_of(evaluation, row["answer"])),
            percent(row["probability"], 1),
            f"{row['loss']:.2f}",
        ]
        for row in worst[:20]
    ]
    header = ("image", "truth", "answered", "probability", "loss")
    return section(
        "mistakes",
        "The worst mistakes",
        table("Wrong answers with the greatest loss", header, rows, texts=range(3)),
    )


def doubtful_section(evaluation: Mapping[str, Any], insights: Mapping[str, Any] | None) -> str:
    """Return the images whose label is most likely wrong."""
    if not insights or not insights["doubtful"]:
        return ""
    note = (
        "The network answers another class, as surely as it usually knows that class where it is right"
        " (Northcutt et al., 2021): look at these labels first."
    )
    return section(
        "doubtful",
        "The most doubtful labels",
        paragraph(note, "faint"),
        _gallery(evaluation, insights, "doubtful"),
    )


def _gallery(evaluation: Mapping[str, Any], insights: Mapping[str, Any], kind: str) -> str:
    seen: set[int] = set()
    cards, look = [], "gallery" if kind == "worst" else "gallery labels"
    if kind == "doubtful":
        seen = {row[name] for row in insights["worst"] for name in ("image", "cam") if row[name] is not None}
    for row in insights[kind]:
        said = _mistake if kind == "worst" else _label
        cards.append(_shown(evaluation, row, insights["pictures"], seen, kind) + said(evaluation, row))
    rest = cards[_SHOWN[kind] :]
    more = fold(f"{len(rest)} more", items(rest, look)) if rest else ""
    return items(cards[: _SHOWN[kind]], look) + more


def _shown(
    evaluation: Mapping[str, Any],
    row: Mapping[str, Any],
    pictures: Sequence[str],
    seen: set[int],
    kind: str,
) -> str:
    """Return the image, and of a mistake where its answer comes from beside it."""
    alts = {"image": f"{name_of(evaluation, row['truth'])}: {_place(row)}"}
    if kind == "worst":
        alts["cam"] = f"Grad-CAM of the answer {name_of(evaluation, row['answer'])}"
    shown = "".join(
        image(pictures[row[name]], alt, row[name], seen)
        for name, alt in alts.items()
        if row[name] is not None
    )
    nothing = '<span class="faint">no picture</span>'
    return f'<div class="pictures">{shown or nothing}</div>'


def _mistake(evaluation: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    truth, answer = (shorter(name_of(evaluation, row[name]), 32) for name in ("truth", "answer"))
    sure = f"{percent(row['probability'], 1)} sure" if row["probability"] is not None else ""
    loss = f"loss {row['loss']:.2f}" if row["loss"] is not None else ""
    told = " · ".join(filter(None, (sure, loss)))
    return (
        f'<p class="said"><b>{text(truth)}</b> <span class="faint">taken for</span>'
        f' <b class="other">{text(answer)}</b></p><p class="faint small">{text(told)}</p>{_at(row)}'
    )


def _label(evaluation: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    parts = (("label", "truth", "", "probability_of_truth"), ("answer", "answer", "other", "probability"))
    told = "".join(
        f'<p class="{"said" if word == "label" else ""}"><span class="faint">{word}</span>'
        f' <b class="{look}">{text(shorter(name_of(evaluation, row[name]), 32))}</b>'
        + (f' <span class="faint">{percent(row[share], 1)}</span>' if row.get(share) is not None else "")
        + "</p>"
        for word, name, look, share in parts
    )
    return told + _at(row)


def _place(row: Mapping[str, Any]) -> str:
    return row["place"] or (f"image {row['sample']:,}" if row["sample"] is not None else "")


def _at(row: Mapping[str, Any]) -> str:
    """Return where the image lies, in a line that shows its end; all of it under the pointer."""
    place = _place(row)
    return f'<p class="faint small place" title="{text(place)}">{text(shorter(place, 34))}</p>'
