"""What a run keeps of its data to be looked at: a few training images, for its page."""

from collections.abc import Callable
from pathlib import Path

from resnetlab.base import files
from resnetlab.base.plaindata import to_json_bytes
from resnetlab.data.sources.encoded import AnySource
from resnetlab.data.tools.thumbnails import thumbnails_of

RECORD = "samples.json"


def leave_samples(run: Path, source: AnySource, note: Callable[[str], None]) -> None:
    """Write RUN/samples.json and the picture that it names, unless they are there; takes at most a second.

    That there is none costs the run nothing, and is noted.

    Args:
        run: The run's directory, whose lock the caller holds.
        source: Its data.
        note: Is told why there is none.
    """
    if (run / RECORD).exists():
        return
    try:
        if (found := thumbnails_of(source)) is None:
            return
        picture = f"samples.{'jpg' if found.kind == 'jpeg' else 'png'}"
        files.write_file(run / picture, found.content)
        names = [source.class_names[label] for label in found.labels]
        samples = [{"class": name, "place": place} for name, place in zip(names, found.places, strict=True)]
        record = {"picture": picture, "side": found.side, "columns": found.columns, "samples": samples}
        files.write_file(run / RECORD, to_json_bytes(record))
    except Exception as error:  # whatever it is: the run is whole without
        note(f"no pictures of the data for the page: {error or repr(error)}")
