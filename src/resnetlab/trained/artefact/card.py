"""The README.md of a model folder, a model card: what the network is, how made, how good, how to load it."""

from typing import Any

from resnetlab.base.units import first_of
from resnetlab.data.batches.preprocessing import Preprocessing
from resnetlab.errors import ResnetlabError
from resnetlab.trained.artefact.model import INT8, Artefact, Description


def card(artefact: Artefact, name: str, usage: str = "", *, library: str = "resnetlab") -> str:
    """Return the text, in Markdown, with the header that the Hugging Face hub reads.

    Of a network that comes from a run it has what the run's files say: data, recipe, scores by class.

    Args:
        artefact: The network.
        name: The folder's.
        usage: How to load it if not with us.
        library: That loads it.
    """
    from resnetlab.reporting.cards.header import header
    from resnetlab.reporting.cards.sections import facts_table, limits, run_sections

    facts = artefact.facts
    row, detail = _of_run(artefact)
    top = header(
        name=name,
        library=library,
        tags=(library, "pytorch"),
        data=str(facts.get("data", "")),
        first_weights=str(detail["network"]["first_weights"] if detail else facts.get("file", "")),
        accuracy=(facts["correct"], facts["seen"]) if "accuracy" in facts else None,
    )
    loading = _USAGE if artefact.has_classifier else _USAGE_OF_BACKBONE
    parts = [
        f"# {name}\n",
        facts_table(description_rows(artefact)) + "\n",
        usage or loading.replace("NAME", name),
    ]
    if detail:
        parts += run_sections(row, detail)
    else:
        parts += ["\n\n".join(("## Use and limits", *limits(str(facts.get("data", ""))))) + "\n"]
    return top + "\n" + "\n".join(parts)


def _of_run(artefact: Artefact) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Return what a page shows of the run that a network is the end of; nothing of others."""
    from resnetlab.reporting import report

    if artefact.run is None or "accuracy" not in artefact.facts:
        return {}, None
    try:
        contents = report(artefact.run).contents()
    except ResnetlabError:  # whose files are damaged: the network is whole without
        return {}, None
    return contents["runs"][0], contents["detail"]


def description_rows(artefact: Description) -> dict[str, str]:
    """Return what a network is and how good, in words by title."""
    spec, facts = artefact.spec, artefact.facts
    parameters = spec.num_parameters
    if not artefact.has_classifier:
        parameters -= spec.classes * (spec.out_channels[-1] + 1)
    height, width, channels = artefact.image_shape
    rows = {
        "network": f"{spec.name}, {parameters:,} parameters ({spec.source})",
        "input": f"{height}x{width} px, {'grey' if channels == 1 else 'RGB'}",
        "preprocessing": describe_preprocessing(artefact.preprocessing),
        "classes": f"{len(artefact.class_names):,}: {first_of(artefact.class_names, 10)}"
        if artefact.has_classifier
        else f"none: a backbone, which gives {spec.out_channels[-1]:,} features",
        "origin": artefact.origin,
    }
    rows |= {word: str(facts[word]) for word in ("data", "recipe", "step", "weights") if word in facts}
    if choices := facts.get("choices"):
        rows["data read with"] = ", ".join(f"{name}={text}" for name, text in choices.items())
    if "accuracy" in facts:
        correct, seen = facts["correct"], facts["seen"]
        rows["accuracy"] = f"{100 * facts['accuracy']:.2f} % of the test set ({correct:,} of {seen:,})"
    if told := facts.get(INT8):
        rows["int8"] = f"calibrated on {told.get('images')} images of {told.get('data')}"
    return rows


_USAGE = """Load it in three lines:

```python
from resnetlab import Classifier

classifier = Classifier.load("NAME")
print(classifier.predict("photo.jpg"))
```

Or `resnetlab predict NAME photo.jpg`. The weights are plain safetensors: `model.safetensors` holds
the state dict, with this description in its header. `classes.json` lists the classes in the order of the
logits; `preprocessing.json` says how an image becomes the network's input.
"""


_USAGE_OF_BACKBONE = """It has no classifier. Its features in three lines:

```python
from resnetlab import Classifier

backbone = Classifier.load("NAME")
print(backbone.features("photo.jpg"))
```

Or `resnetlab predict NAME photos/ --features features.npz`. A classifier is put on by `resnetlab finetune
--weights NAME --data photos/`.
"""


def describe_preprocessing(preprocessing: Preprocessing) -> str:
    """Return the way from a picture to the input, in words."""
    geometry, normaliser = preprocessing.geometry, preprocessing.normaliser
    parts = ["pixels as they are"]
    if geometry.side:
        parts = [
            f"shorter side to {geometry.resize} px ({geometry.interpolation})",
            f"the {geometry.side} px square in the middle",
        ]
    parts.append(f"values 0 to {normaliser.pixel_range}")
    if normaliser.kind == "per-image":
        parts.append("each image standardised")
    elif normaliser.kind == "per-pixel-mean":
        parts.append("less the mean image")
    elif normaliser.kind == "channel":
        for word, values in (("less", normaliser.mean), ("divided by", normaliser.std)):
            if values is not None:
                parts.append(f"{word} {', '.join(f'{x:.6g}' for x in values.ravel())}")
    return ", ".join(parts)
