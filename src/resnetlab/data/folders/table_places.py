"""Where the images lie that a table names, with or without their folder and their suffix."""

import os
from collections import defaultdict
from pathlib import Path

from resnetlab.base.units import first_of
from resnetlab.data.images.kinds import has_image_suffix
from resnetlab.data.sources.leftovers import is_hidden


class Finder:
    """Finds images by what a table calls them: a path, else the name of the only such image there is."""

    def __init__(self, folder: Path, *, image_folder: str = "", suffix: str = "") -> None:
        """Remember where to look.

        Args:
            folder: The table's.
            image_folder: Where the images lie, relative to it.
            suffix: What the table leaves out at the end of the names; tried after the names as they are.
        """
        self._folder = os.path.join(folder, image_folder) if image_folder else str(folder)
        self._prefix = image_folder.strip("/") + "/" if image_folder.strip("/.") else ""
        self._suffix = suffix
        self._by_name: dict[str, list[str]] | None = None
        self.folders_searched: dict[str, None] = {}
        """Folders in which images were found by their name alone, in order."""
        self.is_suffixless = False
        """Whether an image was found that the table names without its suffix."""

    def path(self, text: str) -> str | None:
        """Return the place of the image that lies where a cell says, relative to the table's folder."""
        for name in dict.fromkeys((text.replace("\\", "/"), text.replace("\\", "/") + self._suffix)):
            if name and os.path.isfile(os.path.join(self._folder, name)):
                return name if os.path.isabs(name) else self._prefix + name
        return None

    def find(self, text: str, folder: str | None = None) -> str | None:
        """Return the place of the image that a cell means, relative to the table's folder, or None.

        Args:
            text: The cell.
            folder: The one that is taken if images of this name lie in several.
        """
        if found := self.path(text):
            return found
        places = self.candidates(text)
        if len(places) > 1:
            places = [place for place in places if os.path.dirname(place) == folder]
        if len(places) != 1:
            return None
        self.folders_searched[os.path.dirname(places[0]) or "."] = None
        self.is_suffixless |= not places[0].endswith(os.path.basename(text.replace("\\", "/")))
        return self._prefix + places[0]

    def candidates(self, text: str) -> list[str]:
        """Return all images below the folder that have this name, or end or begin like this path."""
        name = text.replace("\\", "/").rstrip("/") + self._suffix
        if not name.strip("./"):
            return []
        base = name.rpartition("/")[2]
        found = self._names().get(base, [])
        if "/" not in name:
            return found
        return [place for place in found if _ends_alike(name, place)]

    def _names(self) -> dict[str, list[str]]:
        """Return the images below the folder by their names, and by their names without the suffix."""
        if self._by_name is None:
            self._by_name = defaultdict(list)
            for folder, inner, names in os.walk(self._folder):
                inner[:] = sorted(each for each in inner if not is_hidden(each))
                within = os.path.relpath(folder, self._folder).replace(os.sep, "/")
                for name in sorted(names):
                    stem = os.path.splitext(name)[0]
                    if has_image_suffix(name) and not is_hidden(name):
                        place = name if within == "." else f"{within}/{name}"
                        self._by_name[name].append(place)
                        self._by_name[stem].append(place)
        return self._by_name

    def notes(self) -> list[str]:
        """Return what to say of images that do not lie where the table says."""
        if not self.folders_searched:
            return []
        folders = first_of([*self.folders_searched])
        without = ", without their suffix" if self.is_suffixless else ""
        return [f"the table names images by their names alone{without}; they are found in {folders}"]


def _ends_alike(text: str, place: str) -> bool:
    """Return whether of two paths the shorter one is the end of the longer one, but for a suffix."""
    options = (place, os.path.splitext(place)[0])
    return any(f"/{text}".endswith(f"/{each}") or f"/{each}".endswith(f"/{text}") for each in options)
