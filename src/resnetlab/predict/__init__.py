"""Answers for pictures: classes with probabilities, features, and where the network looked."""

from resnetlab.predict.classifier import Classifier
from resnetlab.predict.explaining import Explanation
from resnetlab.predict.prediction import Answer, Prediction

__all__ = ["Answer", "Classifier", "Explanation", "Prediction"]
