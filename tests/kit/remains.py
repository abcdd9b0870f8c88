"""What a run leaves that must not depend on who made it, how often it was stopped, or on how many devices."""

import json
from pathlib import Path


def what_remains(run: Path) -> dict[str, bytes]:
    """Return the content of these files by name; the seconds of updates are no part of it."""
    found = {name: (run / name).read_bytes() for name in ("metrics.jsonl", "data.json", "spec.json")}
    for path in sorted(run.glob("checkpoints/step-*/*")):
        content = path.read_bytes()
        if path.suffix == ".json":
            told = json.loads(content)
            told.pop("seconds", None)
            told.get("files", {}).pop("state.json", None)  # of the manifest: its length and hash
            content = json.dumps(told).encode()
        found[f"{path.parent.name}/{path.name}"] = content
    return found
