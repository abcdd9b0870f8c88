"""resnetlab: the toolkit for residual networks."""

import importlib
import sys
from typing import TYPE_CHECKING, Any

import resnetlab.show  # noqa: F401  gives ModelSpec its table and its drawing
from resnetlab import register
from resnetlab.former import FormerNames

if TYPE_CHECKING:
    from resnetlab.api import (
        evaluate,
        explain_residual,
        finetune,
        lr_find,
        reproduce,
        resume,
        resume_study,
        study,
        train,
    )
    from resnetlab.data.open import open_source
    from resnetlab.network.catalog import list_models, model_spec
    from resnetlab.network.spec import ModelSpec
    from resnetlab.recipe import Recipe
    from resnetlab.recipe.named import list_recipes, named_recipe
    from resnetlab.reporting import report
    from resnetlab.reporting.comparing import compare
    from resnetlab.trained.artefact import import_weights, load_artefact
    from resnetlab.trained.export.exporting import export_model
    from resnetlab.trained.predict import Classifier
    from resnetlab.trained.quantised import export_int8
    from resnetlab.training.observer import Silence
    from resnetlab.verifying import verify
    from resnetlab.weights import create_model, load_weights

# A name is imported from its module when it is first used (PEP 562), so that torch comes in only
# with the first thing that needs it.
_HOMES = {
    "Classifier": "resnetlab.trained.predict",
    "ModelSpec": "resnetlab.network.spec",
    "Recipe": "resnetlab.recipe",
    "Silence": "resnetlab.training.observer",
    "compare": "resnetlab.reporting.comparing",
    "create_model": "resnetlab.weights",
    "evaluate": "resnetlab.api",
    "explain_residual": "resnetlab.api",
    "export_int8": "resnetlab.trained.quantised",
    "export_model": "resnetlab.trained.export.exporting",
    "finetune": "resnetlab.api",
    "import_weights": "resnetlab.trained.artefact",
    "list_models": "resnetlab.network.catalog",
    "list_recipes": "resnetlab.recipe.named",
    "load_artefact": "resnetlab.trained.artefact",
    "load_weights": "resnetlab.weights",
    "lr_find": "resnetlab.api",
    "model_spec": "resnetlab.network.catalog",
    "named_recipe": "resnetlab.recipe.named",
    "open_source": "resnetlab.data.open",
    "report": "resnetlab.reporting",
    "reproduce": "resnetlab.api",
    "resume": "resnetlab.api",
    "resume_study": "resnetlab.api",
    "study": "resnetlab.api",
    "train": "resnetlab.api",
    "verify": "resnetlab.verifying",
}

__all__ = [
    "Classifier",
    "ModelSpec",
    "Recipe",
    "Silence",
    "compare",
    "create_model",
    "evaluate",
    "explain_residual",
    "export_int8",
    "export_model",
    "finetune",
    "import_weights",
    "list_models",
    "list_recipes",
    "load_artefact",
    "load_weights",
    "lr_find",
    "model_spec",
    "named_recipe",
    "open_source",
    "register",
    "report",
    "reproduce",
    "resume",
    "resume_study",
    "study",
    "train",
    "verify",
]


sys.meta_path.insert(0, FormerNames())


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'resnetlab' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
