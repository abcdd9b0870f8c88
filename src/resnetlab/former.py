"""Modules under their names of 0.1.0, which had no rooms yet: found, with a warning that says where."""

import importlib
import sys
import warnings
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from importlib.abc import Loader

_ROOT = Path(__file__).parent
_MOVED = {
    "artefact": "trained.artefact", "predict": "trained.predict", "export": "trained.export",
    "transfer": "trained.transfer", "evaluator": "trained.evaluate", "catalog": "network.catalog",
    "spec": "network.spec", "layers": "network.layers", "plan": "network.plan",
    "drafting": "network.drafting", "contradictions": "network.rules", "recipes": "recipe.named",
    "settings": "recipe.settings", "schedule": "recipe.schedule", "timeline": "recipe.timeline",
    "drawing": "show.drawing", "tables": "show.tables", "studies": "training.studies",
    "bench": "training.speed", "metrics": "evaluation.metrics", "crc32c": "base.wire",
    "files": "base.files", "doing": "base.files", "download": "base.download", "units": "base.units",
    "randomness": "base.randomness", "plaindata": "base.plaindata", "machine": "base.machine.rates",
    "data.names": "data", "data.fetch": "base.download", "data.digits": "data.arrays.made",
    "data.synthetic": "data.arrays.made",
    "training.reading": "data.feeding", "training.scoring": "evaluation.scoring",
    "training.gallery": "data.tools.samples", "training.interrupt": "training.observer",
    "training.ema": "training.step.averages", "training.lookahead": "training.step.averages",
    "training.beginning": "training.first_weights", "training.due": "recipe.due",
    "training.fitting": "training.misfits", "predict.evaluating": "trained.evaluate",
    "predict.explaining": "insights.explaining",
    "data.cifar_layouts": "data.arrays.cifar", "data.cifar_records": "data.arrays.cifar",
    "data.enlarge": "data.arrays.made", "drawing.picture": "show.picture",
    "drawing.schematic": "show.drawing.schematic.full",
    "drawing.shortcut": "show.drawing.schematic.unit_block",
    "export.reading_back": "trained.export.exporting", "export.torch_program": "trained.export.exporting",
    "recipe.transfer": "recipe.running", "reporting.finding": "reporting.reading",
    "reporting.labels": "reporting.pictures.labels", "reporting.picture": "reporting.pictures.curves",
    "reporting.notes": "reporting.table",
    "reporting.published": "reporting.groups", "tables.receptive_field": "show.tables.rows",
    "weights.download": "weights.files.hub", "weights.namings.leaves": "weights.facts.naming",
    "weights.namings.keras_out": "weights.namings.keras_applications",
}  # fmt: skip
"""What has another room or name. All else lies, by its own name, in its room of then or within that one."""


def present_name(former: str) -> str | None:
    """Return where a module of 0.1.0 lies now: data.arrays.cifar for data.cifar; None if it is not known."""
    if former in _MOVED:
        return _MOVED[former]
    first, _, rest = former.partition(".")
    room = _ROOT.joinpath(*_MOVED.get(first, first).split("."))
    found = [*room.rglob(f"{rest.replace('.', '/')}.py")] if rest else []
    return ".".join(found[0].relative_to(_ROOT).with_suffix("").parts) if len(found) == 1 else None


class FormerNames:
    """Finds what lies no longer there. It is asked before others, so that no module is loaded twice.

    A finder and a loader by what it does: `importlib.abc` takes longer to import than the rest of this.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return how to load a module under its former name, or None."""
        package, _, name = fullname.partition(".")
        if package != __package__ or not name:
            return None
        place = _ROOT.joinpath(*name.split("."))
        if place.is_dir() or place.with_suffix(".py").is_file() or not present_name(name):
            return None
        return ModuleSpec(fullname, cast("Loader", self))

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave it to Python to make an empty one."""

    def exec_module(self, module: ModuleType) -> None:
        """Put the module that is meant in the place of the empty one."""
        present = f"{__package__}.{present_name(module.__name__.partition('.')[2])}"
        warnings.warn(f"{module.__name__} is {present} now", DeprecationWarning, stacklevel=2)
        sys.modules[module.__name__] = importlib.import_module(present)
