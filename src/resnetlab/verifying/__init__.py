"""`resnetlab verify`: a verdict on runs, studies and models, and a run's seal. Torch only where needed."""

from resnetlab.verifying.verdict import Verdict, Verdicts
from resnetlab.verifying.whole import verify

__all__ = ["Verdict", "Verdicts", "verify"]
