"""Train, resume and evaluate from Python: the same as the command line's verbs, also on several devices."""

from resnetlab.api.functions import evaluate, finetune, resume, resume_study, study, train

__all__ = ["evaluate", "finetune", "resume", "resume_study", "study", "train"]
