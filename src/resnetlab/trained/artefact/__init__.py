"""A trained network with all that using it takes: weights, classes, preprocessing, where it comes from."""

from resnetlab.trained.artefact.folder import write_folder
from resnetlab.trained.artefact.imported import import_weights
from resnetlab.trained.artefact.loading import load_artefact
from resnetlab.trained.artefact.model import Artefact

__all__ = ["Artefact", "import_weights", "load_artefact", "write_folder"]
