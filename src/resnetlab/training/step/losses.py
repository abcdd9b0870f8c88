"""What is minimised. Axes: N batch, K classes."""

import torch
import torch.nn.functional as F
from torch import Tensor


def binary_loss(logits_NK: Tensor, labels: Tensor, labels_other: Tensor | None, smoothing: float) -> Tensor:
    """Return the mean over images and classes of each class' own cross-entropy.

    Both labels of a mixed image are its classes in full, whatever their shares.

    Source: Wightman et al., 2021, "ResNet strikes back" (arXiv:2110.00476), section 3.1.
    """
    low = smoothing / logits_NK.shape[1]
    targets_NK = torch.full_like(logits_NK, low)
    for each in (labels, labels_other):
        if each is not None:
            targets_NK.scatter_(1, each[:, None], 1 - smoothing + low)
    return F.binary_cross_entropy_with_logits(logits_NK, targets_NK)


def mixed_cross_entropy(
    logits_NK: Tensor,
    labels: Tensor,
    labels_other: Tensor | None,
    weight: Tensor,
    smoothing: float,
    class_weights_K: Tensor | None,
) -> Tensor:
    """Return the mean cross-entropy in nats; of mixed images that of both labels, by their shares.

    Args:
        logits_NK: Float32.
        labels: Int64 (N,).
        labels_other: Second labels of mixed images, int64 (N,).
        weight: Share of the first labels, a scalar.
        smoothing: Share of the target that all classes have alike.
        class_weights_K: What a sample of each class counts; left out, each counts 1.
    """
    loss = _cross_entropy(logits_NK, labels, smoothing, class_weights_K)
    if labels_other is None:
        return loss
    return weight * loss + (1 - weight) * _cross_entropy(logits_NK, labels_other, smoothing, class_weights_K)


def _cross_entropy(
    logits_NK: Tensor, labels: Tensor, smoothing: float, class_weights_K: Tensor | None
) -> Tensor:
    if class_weights_K is None:
        return F.cross_entropy(logits_NK, labels, label_smoothing=smoothing)
    # The plain mean: torch's own divides by the batch's weights, which would undo the balance.
    each_N = F.cross_entropy(logits_NK, labels, reduction="none", label_smoothing=smoothing)
    return (class_weights_K[labels] * each_N).mean()
