"""All foreign namings that are read, one file each."""

from resnetlab.weights.facts.naming import Dialect
from resnetlab.weights.namings.akamaster import AKAMASTER_NAMES
from resnetlab.weights.namings.chaoji import CHAOJI_TF1, CHAOJI_TF2
from resnetlab.weights.namings.keras_applications import KERAS_OLD, KERAS_V1, KERAS_V2
from resnetlab.weights.namings.keras_example import KERAS_EXAMPLE_NAMES
from resnetlab.weights.namings.keras_order import KERAS_ORDER
from resnetlab.weights.namings.official import OFFICIAL, OFFICIAL_CIFAR
from resnetlab.weights.namings.open_lth import OPEN_LTH
from resnetlab.weights.namings.research import RESEARCH
from resnetlab.weights.namings.sequential import SEQUENTIAL
from resnetlab.weights.namings.torch_names import RESNETLAB, TIMM_V2, TORCHVISION_NAMES
from resnetlab.weights.namings.transformers import TRANSFORMERS
from resnetlab.weights.namings.weiaicunzai import WEIAICUNZAI

DIALECTS: tuple[Dialect, ...] = (
    TORCHVISION_NAMES,
    TIMM_V2,
    RESNETLAB,
    AKAMASTER_NAMES,
    TRANSFORMERS,
    OPEN_LTH,
    WEIAICUNZAI,
    SEQUENTIAL,
    KERAS_V1,
    KERAS_OLD,
    KERAS_V2,
    OFFICIAL,
    OFFICIAL_CIFAR,
    CHAOJI_TF1,
    CHAOJI_TF2,
    RESEARCH,
    KERAS_EXAMPLE_NAMES,
    *KERAS_ORDER,
)
