"""The page: pictures are dropped on it, and it shows what the network says of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from resnetlab.base.pages.frame import data_block, html_page, read_asset, text
from resnetlab.base.units import format_count
from resnetlab.reporting.page.look import script, style
from resnetlab.reporting.page.parts import code, facts, items, section

_HERE = Path(__file__).parent


def page(told: Mapping[str, Any], rows: Mapping[str, str], *, command: str) -> str:
    """Return it.

    Args:
        told: Facts of the network and the server, as `/model` gives them, and notes for its user.
        rows: What the network is, in words by title.
        command: The line that asks the server from a shell.
    """
    title = f"{told['model']} – resnetlab serve"
    notes = f'<div role="note" class="faint">{items(map(text, told["notes"]))}</div>' if told["notes"] else ""
    beside = {name: told[name] for name in ("explains", "top", "limits")}
    body = "\n".join(
        [
            _header(told),
            notes,
            _drop(told),
            '<p id="told" class="spoken" role="status"></p><main>',
            '<div id="tools" hidden><h2 id="h-answers">Answers</h2>'
            '<button type="button" class="plain" id="clear">Clear</button></div>',
            '<ol id="answers" aria-labelledby="h-answers"></ol>',
            section(
                "network",
                "The network",
                facts((name, text(value)) for name, value in rows.items() if value != name),
            ),
            section("programs", "For programs", _for_programs(command)),
            "</main>",
            f'<footer class="faint">resnetlab {text(told["version"])}. Pictures are kept nowhere.</footer>',
            data_block("facts", beside),
        ]
    )
    own = read_asset(_HERE, "page.css")
    return html_page(
        title=title,
        body=body,
        style=style() + own,
        script=script("copy.js") + read_asset(_HERE, "page.js"),
        is_served=True,
    )


def _header(told: Mapping[str, Any]) -> str:
    size = told["input"]
    parts = [
        f"{len(told['classes']):,} classes",
        f"sees {size['width']} × {size['height']} pixels",
        f"{format_count(told['parameters'])} parameters",
        told["origin"],
    ]
    about = " <span aria-hidden=true>·</span> ".join(f"<span>{text(part)}</span>" for part in parts)
    return (
        f'<header><div><p class="kind">resnetlab serve</p><h1>{text(told["model"])}</h1>'
        f'<p class="about faint">{about}</p></div>'
        '<button type="button" class="theme" hidden>Dark</button></header>'
    )


def _drop(told: Mapping[str, Any]) -> str:
    """Return where pictures are dropped; without a script it is a form, answered in JSON."""
    most = told["limits"]["megabytes"]
    return (
        '<form id="drop" method="post" enctype="multipart/form-data" action="/predict">'
        '<label for="files"><strong>Drop pictures here</strong>'
        f'<span class="faint">or paste one, or choose files: up to {most:g} MB each</span>'
        '<span class="choose" aria-hidden="true">Choose files</span></label>'
        '<input type="file" id="files" name="image" accept="image/*" multiple required>'
        '<noscript><button class="plain">Send</button></noscript></form>'
    )


def _for_programs(command: str) -> str:
    return (
        f"{code(command)}<p>The answer is JSON. <code>?top=3</code> says how many classes to tell,"
        " <code>?explain</code> adds where the network looked, <code>?explain=CLASS</code> what speaks for"
        ' that class. <a href="/model">/model</a> says what the network is, <a href="/healthz">/healthz</a>'
        " that it answers.</p>"
    )
