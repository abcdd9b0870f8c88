"""Studies: several runs that are planned together, e.g. the networks of a table, each with several seeds."""

from resnetlab.training.studies.observer import StudyObserver
from resnetlab.training.studies.rows import default_study_out, is_study, plan_rows
from resnetlab.training.studies.study import (
    choose_at_once,
    is_study_begun_at,
    resume_study,
    train_or_resume_study,
    train_study,
)

__all__ = [
    "StudyObserver",
    "choose_at_once",
    "default_study_out",
    "is_study",
    "is_study_begun_at",
    "plan_rows",
    "resume_study",
    "train_or_resume_study",
    "train_study",
]
