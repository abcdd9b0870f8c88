"""How an exported file is used, as a few lines of Python that run where its program is installed.

Each begins at a picture, photo.jpg, and ends with the most probable class, or what comes nearest to that.
"""

from pathlib import Path

from resnetlab.trained.artefact.card import describe_preprocessing
from resnetlab.trained.artefact.model import Artefact
from resnetlab.trained.artefact.onnx_model import LOGITS, PROBABILITIES

Lines = tuple[str, ...]

_PICTURES = "from PIL import Image, ImageOps"
_NAMES = 'names = json.loads(session.get_modelmeta().custom_metadata_map["class_names"])'


def of_ours(path: Path, artefact: Artefact) -> Lines:
    """Return how a model folder or a safetensors file is used, which hold all that `Classifier` needs."""
    asks = "predict" if artefact.has_classifier else "features"
    return (
        "from resnetlab import Classifier",
        f"classifier = Classifier.load({str(path)!r})",
        f'print(classifier.{asks}("photo.jpg"))',
    )


def of_onnx(path: Path, artefact: Artefact, *, takes_pixels: bool) -> Lines:
    """Return how an ONNX file is used by onnxruntime alone."""
    if not (takes_pixels or _is_short(artefact)):
        return of_ours(path, artefact)
    made = PROBABILITIES if takes_pixels else LOGITS
    images = _pixels(artefact) if takes_pixels else _normalised(artefact, to="NCHW")
    return (
        "import json, numpy as np, onnxruntime",
        _PICTURES,
        f"session = onnxruntime.InferenceSession({str(path)!r})",
        _NAMES,
        *images,
        f'{made} = session.run(None, {{"images": images}})[0]',
        f"print(names[{_best(artefact, made, is_probability=takes_pixels)}])",
    )


def of_program(path: Path, artefact: Artefact, *, takes_pixels: bool) -> Lines:
    """Return how a file of torch.export is used by torch alone."""
    if not (takes_pixels or _is_short(artefact)):
        images: Lines = (_zeros(artefact, "NCHW"),)
    else:
        images = _pixels(artefact) if takes_pixels else _normalised(artefact, to="NCHW")
    made = PROBABILITIES if takes_pixels else LOGITS
    return (
        "import json, numpy as np, torch",
        _PICTURES,
        'extra = {"class_names": ""}',
        f"network = torch.export.load({str(path)!r}, extra_files=extra).module()",
        *images,
        f"{made} = network(torch.from_numpy(images)).detach()",
        f'print(json.loads(extra["class_names"])[{_best(artefact, made, is_probability=takes_pixels)}])',
    )


def of_torchvision(path: Path, artefact: Artefact, name: str, classes: int) -> Lines:
    """Return how a state dict is used by torchvision."""
    is_safe = path.suffix == ".safetensors"
    read = f"load_file({str(path)!r})" if is_safe else f"torch.load({str(path)!r}, weights_only=True)"
    images = _normalised(artefact, to="NCHW") if _is_short(artefact) else (_zeros(artefact, "NCHW"),)
    return (
        "import numpy as np, torch, torchvision",
        _PICTURES,
        *(["from safetensors.torch import load_file"] if is_safe else []),
        f"network = torchvision.models.{name}(num_classes={classes}).eval()",
        f"network.load_state_dict({read})",
        *images,
        "print(network(torch.from_numpy(images)))  # logits",
    )


def of_timm(folder: Path) -> Lines:
    """Return how a folder of the hub's layout is used by timm."""
    return (
        "import timm",
        "from PIL import Image, ImageOps",
        f"network = timm.create_model({f'local-dir:{folder}'!r}, pretrained=True).eval()",
        "transform = timm.data.create_transform(**timm.data.resolve_model_data_config(network))",
        'images = transform(ImageOps.exif_transpose(Image.open("photo.jpg")).convert("RGB"))[None]',
        'print(network.pretrained_cfg.get("label_names"), network(images).softmax(1))',
    )


def of_keras(artefact: Artefact, made: Lines, *, is_reversed: bool) -> Lines:
    """Return how a file is used by Keras.

    Args:
        artefact: The network.
        made: The lines that make it of the file.
        is_reversed: Whether the channels come as blue, green, red.
    """
    if _is_short(artefact):
        images = _normalised(artefact, to="NHWC", is_reversed=is_reversed)
    else:
        images = (_zeros(artefact, "NHWC"),)
    return (
        "import numpy as np, keras",
        _PICTURES,
        *made,
        *images,
        "print(network.predict(images))  # probabilities",
    )


def _is_short(artefact: Artefact) -> bool:
    """Return whether the normalisation is a line: it has no mean image."""
    mean = artefact.preprocessing.normaliser.mean
    return mean is None or mean.ndim < 3


def _zeros(artefact: Artefact, to: str) -> str:
    height, width, channels = artefact.image_shape
    shape = (1, channels, height, width) if to == "NCHW" else (1, height, width, channels)
    told = describe_preprocessing(artefact.preprocessing)
    return f"images = np.zeros({shape}, np.float32)  # in their place yours: {told}"


def _picture(artefact: Artefact) -> str:
    """Return the line that reads a picture: what is cut off around the resized one is `bleed`, its share."""
    height, width, channels = artefact.image_shape
    geometry = artefact.preprocessing.geometry
    share = (1 - geometry.side / geometry.resize) / 2 if geometry.resize > geometry.side > 0 else 0
    bleed = f", bleed={share:.6g}" if share else ""
    method = "BICUBIC" if geometry.interpolation == "bicubic" else "BILINEAR"
    opened = f'ImageOps.exif_transpose(Image.open("photo.jpg")).convert("{"L" if channels == 1 else "RGB"}")'
    return f"image = ImageOps.fit({opened}, ({width}, {height}), Image.Resampling.{method}{bleed})"


def _array(artefact: Artefact) -> str:
    channels = artefact.image_shape[2]
    return "np.asarray(image)[..., None]" if channels == 1 else "np.asarray(image)"


def _pixels(artefact: Artefact) -> Lines:
    return _picture(artefact), f"images = {_array(artefact)}[None]"


def _normalised(artefact: Artefact, *, to: str, is_reversed: bool = False) -> Lines:
    normaliser = artefact.preprocessing.normaliser
    array = _array(artefact)
    array = (
        f"{array} / {255 / normaliser.pixel_range:g}" if normaliser.pixel_range != 255 else f"{array} + 0.0"
    )
    if normaliser.kind == "per-image":
        lines: Lines = (f"x = {array}", "x = (x - x.mean()) / max(x.std(), x.size**-0.5)")
    else:
        less = f" - {_numbers(normaliser.mean)}" if normaliser.mean is not None else ""
        over = f" / {_numbers(normaliser.std)}" if normaliser.std is not None else ""
        lines = (f"x = ({array}{less}){over}",)
    turned = "[..., ::-1]" if is_reversed else ""
    turned += ".transpose(2, 0, 1)" if to == "NCHW" else ""
    return _picture(artefact), *lines, f"images = x{turned}[None].astype(np.float32)"


def _numbers(values: object) -> str:
    import numpy as np

    return f"[{', '.join(f'{float(x):.6g}' for x in np.ravel(np.asarray(values)))}]"


def _best(artefact: Artefact, made: str, *, is_probability: bool) -> str:
    is_single = artefact.spec.classes == 1 and not is_probability
    return f"int({made}[0, 0] > 0)" if is_single else f"int({made}[0].argmax())"
