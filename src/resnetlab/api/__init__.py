"""Train, resume and evaluate from Python: the same as the command line's verbs, also on several devices."""

from resnetlab.api.explained import explain_residual
from resnetlab.api.functions import evaluate, finetune, resume, resume_study, study, train

__all__ = ["evaluate", "explain_residual", "finetune", "resume", "resume_study", "study", "train"]
