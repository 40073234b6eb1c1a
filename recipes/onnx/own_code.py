"""A function of the user's, from their Python file; what goes wrong in it is told with its line there."""

from __future__ import annotations

import importlib.util
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgepack_recipe import Refused


def call(file: Path, entry: str, use: Callable[[Any], Any]) -> Any:
    """What ``use`` makes of the function ``entry`` of ``file``. Raises Refused for all that it raises."""
    spec = importlib.util.spec_from_file_location("code_of_the_user", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        function = getattr(module, entry, None)
        if callable(function):
            return use(function)
    except (Exception, SystemExit) as wrong:  # noqa: BLE001 - it is the user's, and may raise anything
        raise _told(file, entry, wrong) from None
    there = sorted(n for n, v in vars(module).items() if callable(v) and v.__module__ == module.__name__)
    fix = f"it has: {', '.join(there[:6])}" if there else f"define it there: def {entry}(…)"
    raise Refused("unsupported-input", f"{file.name} has no function {entry}", fix=fix)


def _told(file: Path, entry: str, wrong: BaseException) -> Refused:
    frames = [row.lineno for row in traceback.extract_tb(wrong.__traceback__) if row.filename == str(file)]
    line = wrong.lineno if isinstance(wrong, SyntaxError) else frames[-1] if frames else None
    said = wrong.msg if isinstance(wrong, SyntaxError) else wrong
    place = f"line {line}: " if line else ""
    fix = ""
    if isinstance(wrong, ModuleNotFoundError):
        fix = "it runs with Python's own library, NumPy and Pillow; a file of yours beside it is not seen"
    why = f"{place}{type(wrong).__name__}: {said}"
    return Refused("unsupported-input", f"{entry} in {file.name} failed", why, fix)
