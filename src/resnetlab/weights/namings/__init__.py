"""All foreign namings that are read, one file each."""

from resnetlab.weights.naming import Dialect
from resnetlab.weights.namings.akamaster import AKAMASTER_NAMES
from resnetlab.weights.namings.chaoji import CHAOJI_TF1, CHAOJI_TF2
from resnetlab.weights.namings.keras_applications import KERAS_OLD, KERAS_V1, KERAS_V2
from resnetlab.weights.namings.official import OFFICIAL, OFFICIAL_CIFAR
from resnetlab.weights.namings.research import RESEARCH
from resnetlab.weights.namings.torch_names import RESNETLAB, TIMM_V2, TORCHVISION_NAMES

DIALECTS: tuple[Dialect, ...] = (
    TORCHVISION_NAMES,
    TIMM_V2,
    RESNETLAB,
    AKAMASTER_NAMES,
    KERAS_V1,
    KERAS_OLD,
    KERAS_V2,
    OFFICIAL,
    OFFICIAL_CIFAR,
    CHAOJI_TF1,
    CHAOJI_TF2,
    RESEARCH,
)
