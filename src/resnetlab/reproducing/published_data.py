"""Whether what lies here is a dataset as it was published, image by image."""

from resnetlab.data.sources.encoded import AnySource
from resnetlab.data.sources.source import Source, Split
from resnetlab.errors import DataError
from resnetlab.reproducing.datasets import DATASETS


def refuse_other_data(source: Source[Split] | AnySource, name: str, content: str) -> None:
    """Refuse data of which nobody published the numbers that its results would stand beside.

    Args:
        source: The data.
        name: Of the dataset that it should be, one of `DATASETS`.
        content: The data's `content_digest`.

    Raises:
        DataError: If it is another, with what differs.
    """
    wanted = DATASETS[name]
    pairs = {
        "training images": (len(source.train.labels), wanted.train),
        "test images": (len(source.test.labels), wanted.test),
        "classes": (len(source.class_names), wanted.classes),
    }
    told = [f"{found:,} {what} ({due:,})" for what, (found, due) in pairs.items() if found != due]
    if not told and wanted.content and content != wanted.content:
        told = [f"other images or labels (content {content[:12] or 'in files'}, not {wanted.content[:12]})"]
    if told:
        raise DataError(
            f"{source.origin or source.name} is not {name} as it was published: {', '.join(told)}",
            hint="Results on other data cannot stand beside published ones. `resnetlab train` takes any.",
        )
