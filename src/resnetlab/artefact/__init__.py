"""A trained network with all that using it takes: weights, classes, preprocessing, where it comes from."""

from resnetlab.artefact.folder import write_folder
from resnetlab.artefact.imported import import_weights
from resnetlab.artefact.loading import load_artefact
from resnetlab.artefact.model import Artefact

__all__ = ["Artefact", "import_weights", "load_artefact", "write_folder"]
