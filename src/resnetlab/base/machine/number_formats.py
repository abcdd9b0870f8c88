"""The number formats of a recipe's `precision` as torch has them."""

import torch

NUMBER_FORMATS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
