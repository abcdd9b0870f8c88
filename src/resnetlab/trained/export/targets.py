"""What a network can be exported to. Imports no torch: the command line reads it for its help."""

TARGETS = {
    "onnx": (".onnx",),
    "torch-export": (".pt2",),
    "safetensors": (".safetensors",),
    "folder": ("",),
    "torchvision": (".pth", ".pt", ".safetensors"),
    "hf": ("",),
    "keras": (".h5",),
    "keras-cifar10": (".h5",),
    "triton": ("",),
}
"""Each target with the suffixes that its file may have, the usual one first; "" is a folder."""
