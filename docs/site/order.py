"""The order of the pages, which is the site's navigation: every page of docs/ stands in it."""

from typing import Any

ORDER = {
    "Begin": (
        "install", "tutorial/README", "tutorial/1-first-network", "tutorial/2-your-own-images",
        "tutorial/3-pretrained", "tutorial/4-export", "tutorial/5-imagenet", "walk", "residual", "faq",
    ),
    "Use": (
        "networks", "gallery", "recipes", "data", "finetuning", "learning-rate", "weights", "serving",
        "watching", "board", "minutes", "reproduce", "verify", "steps", "gpu", "many-machines",
        "plan_resnet50",
    ),
    "Look up": ("commands", "api", "originals", "formats", "features", "faults", "results", "real_life"),
    "How it is made": ("reading", "design", "extending"),
}  # fmt: skip
"""The pages by their headings, without the suffix."""


def add_navigation(app: Any, page: str, source: list[str]) -> None:
    """Give the first page what Sphinx makes the navigation of."""
    if page == app.config.root_doc:
        for caption, pages in ORDER.items():
            source[0] += (
                "\n\n```{toctree}\n:hidden:\n:caption: " + caption + "\n\n" + "\n".join(pages) + "\n```\n"
            )
