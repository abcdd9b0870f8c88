"""The verbs that use what was trained: report, predict, export, import."""

from typing import Any

from resnetlab.cli.verb import add_device, add_place, add_set, add_verb, later
from resnetlab.trained.export.targets import TARGETS

_REPORT_EXAMPLES = """examples:
  resnetlab report runs/RUN                         one run, with the published error beside it
  resnetlab report runs/figure6 -o figure6.svg      all runs in a folder: a table over seeds, and the curves
  resnetlab report runs/a runs/b --markdown
  resnetlab report runs --csv runs.csv
"""
_PREDICT_EXAMPLES = """examples:
  resnetlab predict runs/RUN photo.jpg
  resnetlab predict MODEL photos/ "more/*.png" --top 3 --csv answers.csv
  resnetlab predict MODEL.onnx photos/ --jsonl
  resnetlab predict MODEL photos/ --features features.npz --explain why/
  find . -name "*.jpg" | resnetlab predict MODEL -
"""
_EXPORT_EXAMPLES = """examples:
  resnetlab export runs/RUN --to onnx -o model.onnx
  resnetlab export runs/RUN --to onnx --uint8 -o app.onnx    pixels in, probabilities out
  resnetlab export runs/RUN --to folder -o mynet             to keep, to pass on
  resnetlab export mynet --to hf -o hub                      as timm and the Hugging Face hub have it
  resnetlab export mynet --to onnx --size 288 -o larger.onnx      for images of another size, or of any
  resnetlab export mynet --to keras -o mynet.h5
"""
_IMPORT_EXAMPLES = """examples:
  resnetlab import resnet50.pth -o resnet50 --classes imagenet_classes.txt
  resnetlab import resnet50_weights_tf_dim_ordering_tf_kernels.h5 -o keras50
  resnetlab import model.ckpt-250200 -o official
  resnetlab import cifar_resnet20.pt --mean 0.4914,0.4822,0.4465 --std 0.2023,0.1994,0.2010 -o net
  resnetlab import hf:timm/resnet50.a1_in1k                  from the Hugging Face hub
  resnetlab import torchvision:resnet50.IMAGENET1K_V2        downloaded, its hash checked
"""


def add_report(verbs: Any) -> None:
    """Add `resnetlab report`."""
    report = add_verb(
        verbs, "report", "say what runs show: errors over seeds beside the published ones, and curves",
        later("report", "report_runs"), _REPORT_EXAMPLES,
    )  # fmt: skip
    report.add_argument("paths", nargs="+", metavar="PATH", help="a run, or a folder that holds runs")
    report.add_argument(
        "-o", "--out", metavar="FILE", help="draw error over steps into an .svg, .pdf or .png"
    )
    report.add_argument("--markdown", action="store_true", help="the table in GitHub's Markdown")
    report.add_argument("--csv", metavar="FILE", help="write the table with all digits")
    report.add_argument(
        "--theme", choices=("light", "dark", "print"), default="light", help="the picture's (default: light)"
    )
    report.add_argument("--title", metavar="TEXT", help="the picture's (default: data and recipe)")


def add_predict(verbs: Any) -> None:
    """Add `resnetlab predict`."""
    predict = add_verb(
        verbs, "predict", "say what is in images", later("predict", "predict"), _PREDICT_EXAMPLES
    )
    predict.add_argument(
        "model",
        metavar="RUN|FOLDER|FILE",
        help="a run or checkpoint, a model folder, a .safetensors or .onnx file of `resnetlab export`, or"
        " weights of another program, read as `resnetlab import` reads them",
    )
    predict.add_argument(
        "images",
        nargs="+",
        metavar="IMAGE",
        help="files, folders, patterns as 'photos/*.jpg'; - reads paths from standard input, one a line",
    )
    predict.add_argument("--top", type=int, default=5, metavar="K", help="classes told (default: 5)")
    predict.add_argument("--csv", metavar="FILE|-", help="a row for each image, into a file or printed")
    predict.add_argument(
        "--jsonl", action="store_true", help="print a JSON object for each image as it comes"
    )
    predict.add_argument("--features", metavar="FILE", help="what the classifier reads, into an .npz or .csv")
    predict.add_argument("--explain", metavar="DIR", help="pictures of where the network looked (Grad-CAM)")
    predict.add_argument("--batch", type=int, default=32, metavar="N", help="images at once (default: 32)")
    _add_weights(predict)
    add_device(predict)


def add_export(verbs: Any) -> None:
    """Add `resnetlab export`."""
    export = add_verb(
        verbs, "export", "write a trained network for other programs", later("export", "export"),
        _EXPORT_EXAMPLES,
    )  # fmt: skip
    export.add_argument(
        "model",
        metavar="RUN|FOLDER|FILE",
        help="a run, a checkpoint, a model folder, or weights of another program, as `import` takes them",
    )
    export.add_argument("--to", required=True, choices=TARGETS, help="for whom")
    export.add_argument(
        "-o", "--out", metavar="PATH", help="the file or folder (default: named after the model)"
    )
    export.add_argument(
        "--uint8",
        action="store_true",
        help="onnx, torch-export: uint8 images (N, H, W, C) in, probabilities out",
    )
    export.add_argument(
        "--size",
        metavar="N|any",
        help="for images of N x N pixels (default: the network's size); onnx: any height and width",
    )
    export.add_argument("--force", action="store_true", help="replace the file if it is there already")
    _add_weights(export)


def add_import(verbs: Any) -> None:
    """Add `resnetlab import`."""
    importing = add_verb(
        verbs, "import", "make a model folder of weights of another program",
        later("import_", "import_file"), _IMPORT_EXAMPLES,
    )  # fmt: skip
    importing.add_argument(
        "file",
        help="of torchvision, timm, Keras, TensorFlow, ...: a file, a folder, a checkpoint's prefix;"
        " or published weights: hf:OWNER/NAME[@REVISION], torchvision:NAME, https://...",
    )
    importing.add_argument("-o", "--out", metavar="FOLDER", help="the model folder (default: MODEL)")
    importing.add_argument(
        "--classes",
        metavar="FILE|A,B,...",
        help="the classes' names in their order: a file with one a line or a .json, written out as cat,dog,"
        " or cifar10, cifar100",
    )
    importing.add_argument(
        "--model", metavar="NAME", help="load it as this network (default: it is recognised)"
    )
    add_place(importing)
    add_set(importing, "the network that the file leaves open, as stride_on")
    _add_images(importing)


def _add_images(importing: Any) -> None:
    """Add what a user may say of how the network's images were prepared."""
    group = importing.add_argument_group(
        "images", "how they were prepared in training, where the file tells it not, or wrong"
    )
    group.add_argument(
        "--like",
        metavar="NAME|RUN|FOLDER",
        help="as another's: torchvision, tf, caffe, kuangliu, cifar100, ..., or a network of yours",
    )
    group.add_argument(
        "--mean",
        metavar="R,G,B",
        help="of pixels from 0 to 1, or to 255 if a number of mean or std is above 1",
    )
    group.add_argument("--std", metavar="R,G,B", help="the standard deviations, likewise")
    group.add_argument("--resize", type=int, metavar="N", help="pixels of the shorter side before the cut")
    group.add_argument(
        "--crop", type=int, metavar="N", help="side of the square in the middle that is cut out"
    )
    group.add_argument("--interpolation", metavar="HOW", help="bilinear, bicubic or tf-bilinear")


def _add_weights(parser: Any) -> None:
    parser.add_argument(
        "--weights",
        choices=("auto", "plain", "averaged"),
        default="auto",
        help="of a run: averaged weights if it has them (auto), or one of the two",
    )
