"""The user's own metric. Options: ``code``, ``entry``, ``records`` (a dict a sample), ``labels`` (texts)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import own_code
from edgepack_recipe import Refused, Request


def metric(request: Request) -> dict[str, Any]:
    """``value``: what ``entry(records, labels)`` returns. Raises Refused where that is no finite number."""
    file, entry = Path(request.options["code"]), str(request.options["entry"])
    records, labels = request.options["records"], request.options["labels"]
    value = own_code.call(file, entry, lambda own: float(own(records, labels)))
    if not math.isfinite(value):
        raise Refused("unsupported-input", f"{entry} in {file.name} gave {value}, which is no number")
    (request.out / "metric.json").write_text(f"{value}\n")
    return {"files": ["metric.json"], "value": value}
