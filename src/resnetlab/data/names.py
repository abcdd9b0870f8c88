"""The datasets that are known by name."""

SOURCES = {
    "digits": "1,797 handwritten digits that come with scikit-learn, as 32x32 RGB",
    "cifar10": "CIFAR-10: 60,000 photographs of 10 classes, 32x32 RGB (downloads 162 MiB once)",
    "cifar100": "CIFAR-100: 60,000 photographs of 100 classes, 32x32 RGB (downloads 161 MiB once)",
    "mnist": "MNIST: 70,000 handwritten digits, 28x28 grey (downloads 11 MiB once)",
    "fashion-mnist": "Fashion-MNIST: 70,000 pictures of 10 kinds of clothes, 28x28 grey (30 MiB once)",
    "kmnist": "Kuzushiji-MNIST: 70,000 handwritten characters of 10 kinds, 28x28 grey (20 MiB once)",
    "emnist-balanced": "EMNIST: 131,600 digits and letters of 47 kinds, 28x28 grey (536 MiB once, all six)",
    "emnist-letters": "145,600 letters of 26 kinds, capital or small",
    "emnist-digits": "280,000 digits",
    "emnist-mnist": "70,000 digits, as MNIST has them",
    "emnist-bymerge": "814,255 digits and letters of 47 kinds",
    "emnist-byclass": "the same of 62 kinds: 0 to 9, A to Z, a to z",
    "svhn": "SVHN: 99,289 house numbers' digits, 32x32 RGB (downloads 235 MiB once)",
    "imagenette-160": "13,394 photographs of 10 of ImageNet's classes, shorter side 160 (95 MiB once)",
    "imagenette-320": "the same with a shorter side of 320 (326 MiB once)",
    "stl10": "STL-10: 13,000 labelled photographs of 10 classes, 96x96 RGB (downloads 2.5 GiB once)",
    "tiny-imagenet-200": "Tiny-ImageNet: 110,000 photographs of 200 of its classes, 64x64 RGB (237 MiB once)",
    "synthetic": "made images that can be learnt, of any size and number of classes",
    "synthetic-random": "made images and labels that say nothing about each other",
}
"""What `open_source` knows by name."""
