"""Fine-tuning: what is known of trained weights, the recipe that suits them and the data, and the run."""

from resnetlab.trained.transfer.planning import Tuning, plan_finetuning, plan_tuning, suggest
from resnetlab.trained.transfer.trained import Trained, open_trained

__all__ = ["Trained", "Tuning", "open_trained", "plan_finetuning", "plan_tuning", "suggest"]
