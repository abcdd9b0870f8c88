"""create_model: a network by its name or its specification, with first weights or a file's."""

from pathlib import Path

import torch

from resnetlab.models import ResNet, build, put_tensors
from resnetlab.network.catalog import model_spec
from resnetlab.network.spec import ModelSpec
from resnetlab.weights.loading import load_weights


def create_model(
    name_or_spec: str | ModelSpec,
    *,
    seed: int | None = None,
    checkpoint_activations: bool = False,
    device: torch.device | str = "cpu",
    weights: str | Path | None = None,
    **knobs: object,
) -> ResNet:
    """Build a network with its first weights, or a file's, in training mode.

    Args:
        name_or_spec: A name of the catalog, or a specification.
        seed: The weights are a function of it alone, the same on every device, and torch's
            generator stays untouched; None draws from torch's generator.
        checkpoint_activations: Trade time for memory; see ResNet.
        device: Where the parameters live. On "meta" they have shapes and no values.
        weights: A file in our names or torchvision's, timm's, akamaster's, Keras' or
            TensorFlow's, or published weights, which are downloaded into a cache:
            "hf:OWNER/NAME[@REVISION]" of the Hugging Face hub, "torchvision:resnet50", or an https
            URL. They must fit whole. `resnetlab.load_weights` reports every tensor of them and can
            leave out the classifier.
        knobs: Changes to the specification: classes=100, shortcut="B", width=0.5,
            stem="small", ...; resnetlab.network.spec.KNOBS lists them.

    Raises:
        UsageError: If the name or a knob is unknown, or the network cannot be.
        CheckpointError: If the weights are damaged, another network's, or cannot be downloaded.
    """
    spec = model_spec(name_or_spec) if isinstance(name_or_spec, str) else name_or_spec
    first = "cpu" if weights is not None else device
    model = build(spec.with_(**knobs), seed=seed, checkpoint_activations=checkpoint_activations, device=first)
    if weights is None:
        return model
    state, _ = load_weights(model, weights)
    return put_tensors(model, state, str(weights)).to(device)
