"""Where each picture stands in the papers."""

from collections.abc import Mapping, Sequence

SOURCES = (
    "He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition. 2015, arXiv:1512.03385",
    "He, Zhang, Ren, Sun: Identity Mappings in Deep Residual Networks. 2016, arXiv:1603.05027",
    "Li, Xu, Taylor, Studer, Goldstein: Visualizing the Loss Landscape of Neural Nets. 2018,"
    " arXiv:1712.09913",
    "Goodfellow, Vinyals, Saxe: Qualitatively Characterizing Neural Network Optimization Problems. 2015,"
    " arXiv:1412.6544",
    "Yang, Pennington, Rao, Sohl-Dickstein, Schoenholz: A Mean Field Theory of Batch Normalization. 2019,"
    " arXiv:1902.08129",
)

IN_THE_PAPERS: Mapping[str, Sequence[str]] = {
    "networks": (
        "He et al., 2015, section 3 and Fig. 2: the layers of a unit learn what is to be added to its input,"
        " y = F(x) + x, instead of the whole of y.",
        "Section 4.2: the networks for CIFAR-10, of 6n + 2 layers. Where the channels become more, the"
        " shortcut pads with zeros (option A), so that it never has weights.",
    ),
    "errors": (
        "He et al., 2015, section 1 and Fig. 1: on CIFAR-10 a plain network of 56 layers has higher training"
        " and test errors than one of 20. They call it degradation. Section 4.2 and Fig. 6: with shortcuts"
        " the deeper network is the better one.",
        "There each learnt from 50,000 photographs for 64,000 updates.",
    ),
    "start": (
        "He et al., 2015, section 4.1: with BN neither forward nor backward signals vanish in plain nets.",
        "Yang et al., 2019: with BN and no shortcuts the gradient grows exponentially with depth, before any"
        " training.",
        "He et al., 2016, section 2, equation 5: where nothing but sums lies between units (here there is a"
        " ReLU too), the gradient of a late unit reaches every earlier one unchanged, as a term of a sum.",
    ),
    "around": (
        "Li et al., 2018, section 4 and Fig. 1: the loss along random directions, each filter of which is as"
        " long as the network's own. That of ResNet-56 is rugged without shortcuts and smooth with them.",
    ),
    "between": (
        "Goodfellow et al., 2015, section 2: on the straight line from the first weights to the last, the"
        " networks that they trained met no great obstacle.",
    ),
}
"""By the section of the page: what the papers say of their own experiments, nothing of these runs."""
