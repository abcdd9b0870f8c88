"""The files and class names of CIFAR-10 and CIFAR-100 in the two layouts each is published in.

https://www.cs.toronto.edu/~kriz/cifar.html. The names stand in the order of their labels; CIFAR-100
has fine and coarse ones.
"""

from dataclasses import dataclass, replace

from resnetlab.data.sources.choices import FLAG
from resnetlab.errors import UsageError

OFFICIAL_SAMPLES = {"train": 50_000, "test": 10_000}

CIFAR10_NAMES = "airplane automobile bird cat deer dog frog horse ship truck".split()  # noqa: SIM905

CIFAR100_NAMES = (  # noqa: SIM905
    "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle "
    "bowl boy bridge bus butterfly camel can castle caterpillar cattle "
    "chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur "
    "dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard "
    "lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle mountain "
    "mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree "
    "plain plate poppy porcupine possum rabbit raccoon ray road rocket "
    "rose sea seal shark shrew skunk skyscraper snail snake spider "
    "squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor "
    "train trout tulip turtle wardrobe whale willow_tree wolf woman worm"
).split()

COARSE_NAMES = (  # noqa: SIM905
    "aquatic_mammals fish flowers food_containers fruit_and_vegetables household_electrical_devices "
    "household_furniture insects large_carnivores large_man-made_outdoor_things "
    "large_natural_outdoor_scenes large_omnivores_and_herbivores medium_mammals non-insect_invertebrates "
    "people reptiles small_mammals trees vehicles_1 vehicles_2"
).split()


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The files of one dataset in one of its forms."""

    dataset: str
    form: str
    folder: str
    train: tuple[str, ...]
    test: str
    meta: str
    names: list[str]

    labels: str = ""
    """Which of CIFAR-100's two labels are used: fine or coarse."""

    @property
    def files(self) -> tuple[str, ...]:
        """The files with images."""
        return (*self.train, self.test)

    def official_records(self, name: str) -> int:
        """Return how many records a file of the published dataset holds."""
        if name == self.test:
            return OFFICIAL_SAMPLES["test"]
        return OFFICIAL_SAMPLES["train"] // len(self.train)

    def choosing(self, label_column: str) -> "Layout":
        """Return the layout with these of CIFAR-100's labels: fine or coarse; as it is for an empty text.

        Raises:
            UsageError: If the dataset has no such labels.
        """
        kind = label_column.casefold().partition("_")[0]  # the files say fine_labels, Hugging Face fine_label
        if kind in ("", self.labels):
            return self
        if not self.labels or kind != "coarse":
            hint = "It has fine and coarse labels." if self.labels else "It has one label for each image."
            raise UsageError(
                f"{FLAG} label_column={label_column}: no such labels in {self.dataset}", hint=hint
            )
        meta = self.meta.replace("fine", "coarse")
        return replace(self, names=COARSE_NAMES, labels="coarse", meta=meta)


_PARTS = tuple(f"data_batch_{part}" for part in range(1, 6))
LAYOUTS = (
    Layout(
        dataset="cifar10",
        form="binary",
        folder="cifar-10-batches-bin",
        train=tuple(f"{part}.bin" for part in _PARTS),
        test="test_batch.bin",
        meta="batches.meta.txt",
        names=CIFAR10_NAMES,
    ),
    Layout(
        dataset="cifar10",
        form="python",
        folder="cifar-10-batches-py",
        train=_PARTS,
        test="test_batch",
        meta="batches.meta",
        names=CIFAR10_NAMES,
    ),
    Layout(
        dataset="cifar100",
        form="binary",
        folder="cifar-100-binary",
        train=("train.bin",),
        test="test.bin",
        meta="fine_label_names.txt",
        names=CIFAR100_NAMES,
        labels="fine",
    ),
    Layout(
        dataset="cifar100",
        form="python",
        folder="cifar-100-python",
        train=("train",),
        test="test",
        meta="meta",
        names=CIFAR100_NAMES,
        labels="fine",
    ),
)
