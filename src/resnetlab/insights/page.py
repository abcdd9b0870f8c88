"""Explanations on one page: each picture beside what speaks for the answer, with the answer in words."""

import base64
from collections.abc import Sequence

from resnetlab.base.pages.frame import html_page, text
from resnetlab.data.images.thumbnail import thumbnail
from resnetlab.insights.explaining import Explanation

MOST = 200
"""Pictures on a page; two of 224 pixels each are about 100 kB."""

_SIDE = 224

_STYLE = """
.looks { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 20rem), 1fr));
  gap: 1.75rem 1.5rem; margin-top: 1.5rem; }
.looks figure { margin: 0; }
.looks div { display: grid; grid-template-columns: 1fr 1fr; gap: .4rem; }
.looks img { width: 100%; height: auto; display: block; background: var(--panel); }
.looks img.small { image-rendering: pixelated; }
figcaption { margin-top: .4rem; font-variant-numeric: tabular-nums; }
figcaption .faint { display: block; font-size: .85rem; }
"""


def explained(explanation: Explanation, place: str, truth: str = "") -> str:
    """Return the markup of a picture beside itself under the map's colours, and what it was taken for.

    Args:
        explanation: Of the most probable class.
        place: Where the picture lies.
        truth: Its class, if that is known.
    """
    said = f"<strong>{text(explanation.class_name)}</strong> {100 * explanation.probability:.1f} %"
    if truth == explanation.class_name:
        said += ' <span class="good">right</span>'
    elif truth:
        said += f' <span class="bad">wrong: {text(truth)}</span>'
    if not explanation.map.any():
        said += " (no place speaks for it)"
    pictures = ""
    words = {"the picture": explanation.pixels, "what speaks for the answer": explanation.overlay()}
    for alt, pixels in words.items():
        content, is_small = thumbnail(pixels, _SIDE)
        look = ' class="small"' if is_small else ""
        data = base64.b64encode(content).decode()
        pictures += f'<img alt="{alt}"{look} src="data:image/png;base64,{data}">'
    caption = f'<figcaption>{said}<span class="faint">{text(place)}</span></figcaption>'
    return f"<figure><div>{pictures}</div>{caption}</figure>"


def explanations_page(model: str, figures: Sequence[str], count: int) -> str:
    """Return the whole page.

    Args:
        model: What answered.
        figures: As `explained` returns them, MOST at most.
        count: How many pictures there were.
    """
    left_out = f" The first {len(figures):,} of {count:,} are here." if count > len(figures) else ""
    title = f"Where {model} looked"
    about = (
        "Left what the network saw, right what speaks for its answer: the brighter, the more (Grad-CAM, "
        f"Selvaraju et al., 2017).{left_out}"
    )
    body = [
        '<button type="button" class="theme" hidden>Dark</button>',
        f'<h1>{text(title)}</h1><p class="faint">{about}</p>',
        f'<div class="looks">{"".join(figures)}</div>',
    ]
    return html_page(title=title, body="\n".join(body), style=_STYLE)
