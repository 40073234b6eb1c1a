"""Stand-ins for the vendors' toolkits that cannot be had: see README.md.

``install`` lays one out as the real toolkit is below the folder that its `sdk:` key
points to, so that what a test breaks in it stays the test's own.
"""

from __future__ import annotations

import shlex
import shutil
import stat
import sys
from pathlib import Path

HERE = Path(__file__).parent
MARK = "standin-lie"
_PYTHON = """#!/bin/sh
PYTHONPATH={root}/lib/python PYTHONDONTWRITEBYTECODE=1 exec {python} "$@"
"""


def install(vendor: str, folder: Path, lie: str = "") -> Path:
    """Copy a toolkit to ``folder``; lie: one of ``standin.LIES``. Returns the toolkit's folder."""
    root = folder / vendor
    shutil.copytree(HERE / vendor, root, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(HERE / "standin.py", root / "standin.py")
    for file in [*root.glob("**/bin/*"), *root.glob("platforms/**/*"), *root.glob("build/tools/*")]:
        if file.is_file() and file.suffix != ".py":
            _, rest = file.read_text().split("\n", 1)
            file.write_text(f"#!{sys.executable}\n{rest}")
            file.chmod(file.stat().st_mode | stat.S_IXUSR)
    if (root / "lib/python").is_dir():
        python = root / "bin/python3"
        python.parent.mkdir(exist_ok=True)
        python.write_text(_PYTHON.format(root=shlex.quote(str(root)), python=sys.executable))
        python.chmod(0o755)
    if lie:
        (root / MARK).write_text(lie)
    return root
