"""Draw a run's curve: error on the training batches and on the test set, by epoch.

python benchmarks/draw_curve.py RUN OUT.png "title"
"""

import sys
from pathlib import Path

from matplotlib.figure import Figure

from resnetlab.runs.directory import open_run
from resnetlab.runs.journal import read_rows

SURFACE, INK, MUTED, GRID = "#ffffff", "#1c2430", "#5c6773", "#e3e7ec"
TRAIN, TEST = "#9db4cf", "#1f5fa8"


def draw(run_path: Path, out: Path, title: str) -> None:
    """Write the picture."""
    run = open_run(run_path)
    rows = [row for row in read_rows(run.metrics) if row["kind"] != "train"]
    events = read_rows(run.events)
    epochs = [row["epoch"] for row in rows]
    figure = Figure(figsize=(8, 4.2), dpi=130, layout="constrained", facecolor=SURFACE)
    axes = figure.add_subplot()
    train = [100 * (1 - row["train_accuracy"]) for row in rows]
    test = [100 * (1 - row["accuracy"]) for row in rows]
    axes.plot(epochs, train, color=TRAIN, lw=2, marker="o", ms=4)
    axes.plot(epochs, test, color=TEST, lw=2.4, marker="o", ms=5)
    axes.annotate(f"test  {test[-1]:.2f} %", (epochs[-1], test[-1]), xytext=(8, 2), color=TEST,
                  textcoords="offset points", va="center", fontsize=11, fontweight="bold")  # fmt: skip
    axes.annotate(f"train  {train[-1]:.2f} %", (epochs[-1], train[-1]), xytext=(8, -8), color=MUTED,
                  textcoords="offset points", va="center", fontsize=10)  # fmt: skip
    per_epoch = rows[-1]["step"] / epochs[-1]
    for event in events:
        if event["event"] == "resume":
            at = event["step"] / per_epoch
            axes.axvline(at, color=MUTED, lw=1, ls=(0, (3, 3)))
            axes.annotate("killed,\nresumed", (at, axes.get_ylim()[1] * 0.97), xytext=(5, 0), color=MUTED,
                          textcoords="offset points", va="top", fontsize=9)  # fmt: skip
    axes.set_xlim(0, epochs[-1] * 1.16)
    axes.set_ylim(0, None)
    axes.set_xlabel("epoch", color=MUTED)
    axes.set_ylabel("error, %", color=MUTED)
    axes.set_title(title, loc="left", color=INK, fontsize=12)
    axes.grid(axis="y", color=GRID)
    axes.set_axisbelow(True)
    axes.tick_params(colors=MUTED, length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(GRID)
    figure.savefig(out)


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
