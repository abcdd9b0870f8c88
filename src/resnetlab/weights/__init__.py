"""Foreign weight files in: read, recognised, converted, with a report of every tensor."""

from resnetlab.weights.converting import Converted, convert
from resnetlab.weights.creating import create_model
from resnetlab.weights.facts.naming import InputFacts, Naming
from resnetlab.weights.loading import load_weights
from resnetlab.weights.recognising import recognise
from resnetlab.weights.report import WeightsReport

__all__ = [
    "Converted",
    "InputFacts",
    "Naming",
    "WeightsReport",
    "convert",
    "create_model",
    "load_weights",
    "recognise",
]
