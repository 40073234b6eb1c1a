"""The user's own metric. Options: ``code``, ``entry``, ``records`` (a dict a sample), ``labels`` (texts)."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from typing import Any

from edgepack_recipe import Refused, Request


def metric(request: Request) -> dict[str, Any]:
    """``value``: what ``entry(records, labels)`` returns. Raises Refused where that is no finite number."""
    file, entry = Path(request.options["code"]), str(request.options["entry"])
    spec = importlib.util.spec_from_file_location("metric_of_the_user", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        value = float(getattr(module, entry)(request.options["records"], request.options["labels"]))
    except Exception as wrong:
        what = f"{entry} in {file.name} failed"
        raise Refused("unsupported-input", what, detail=f"{type(wrong).__name__}: {wrong}") from wrong
    if not math.isfinite(value):
        raise Refused("unsupported-input", f"{entry} in {file.name} gave {value}, which is no number")
    (request.out / "metric.json").write_text(f"{value}\n")
    return {"files": ["metric.json"], "value": value}
