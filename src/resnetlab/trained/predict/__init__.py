"""Answers for pictures: classes with probabilities, features, and where the network looked."""

from resnetlab.insights.explaining import Explanation
from resnetlab.trained.predict.classifier import Classifier
from resnetlab.trained.predict.prediction import Answer, Prediction

__all__ = ["Answer", "Classifier", "Explanation", "Prediction"]
