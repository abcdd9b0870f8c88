"""Made the records of version 1 that lie here, of two small networks on the digits; never run again."""

import shutil
import sys
from pathlib import Path

from resnetlab.base.units import Duration
from resnetlab.reproducing.budgets import budget_of
from resnetlab.reproducing.making import make, prepare
from resnetlab.reproducing.planning import Request
from resnetlab.reproducing.reproduction import Reproduction, Row

VALUES = {
    "length": Duration(44, "st"),
    "milestones": (Duration(22, "st"), Duration(33, "st")),
    "report": False,
}
ROWS = tuple(
    Row(
        name=network,
        network=network,
        data="digits",
        recipe="he2015",
        knobs={"width": 0.25, "stem_stride": 2},
        values={**VALUES, "log_every": 5},
    )
    for network in ("plain8", "resnet8")
)
TOY = Reproduction(name="toy", title="Two small networks", source="nobody, Table 1", rows=ROWS)

if __name__ == "__main__":
    out = Path(sys.argv[1])
    request = Request(reproduction=TOY, budget=budget_of("full"), seeds=2, device="cpu")
    make(prepare(request, out))
    for path in sorted((out / "records").glob("resnet8-*.json")):
        shutil.copy(path, Path(__file__).parent)
