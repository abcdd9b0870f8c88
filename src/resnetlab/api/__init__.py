"""Train, resume and evaluate from Python: the same as the command line's verbs, also on several devices."""

from resnetlab.api.explained import explain_residual
from resnetlab.api.functions import evaluate, finetune, lr_find, resume, resume_study, study, train
from resnetlab.api.reproduced import reproduce

__all__ = [
    "evaluate", "explain_residual", "finetune", "lr_find", "reproduce", "resume", "resume_study", "study",
    "train",
]  # fmt: skip
