"""Debian's docker-registry on loopback in a network namespace; and what it was sent."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from .dockerd import Dockerd
from .endpoint import DIES_WITH_US

ADDRESS = "127.0.0.1:5000"
_CONFIG = """version: 0.1
log: {{level: info, accesslog: {{disabled: false}}}}
storage: {{filesystem: {{rootdirectory: {folder}/data}}}}
http: {{addr: {address}}}
"""


class Registry:
    """Its access log says which blobs came: each upload ends with a PUT that names the digest."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "log"
        self._seen = 0

    def taken(self) -> set[str]:
        """The digests of the blobs that came since it was asked last."""
        text = self._log.read_text()
        new, self._seen = text[self._seen :], len(text)
        found = re.findall(r'"PUT /v2/\S+/blobs/uploads/\S+digest=sha256(?::|%3A)([0-9a-f]{64})', new)
        return {f"sha256:{digest}" for digest in found}


@contextlib.contextmanager
def running(folder: Path, daemon: Dockerd) -> Iterator[Registry]:
    """The registry, up, in the daemon's network."""
    (folder / "config.yml").write_text(_CONFIG.format(folder=folder, address=ADDRESS))
    words = daemon.inside("docker-registry", "serve", str(folder / "config.yml"))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*DIES_WITH_US, *words], stdout=log, stderr=log)
    try:
        look = f"import urllib.request as u; u.urlopen('http://{ADDRESS}/v2/', timeout=60)"
        asked = daemon.inside(sys.executable, "-c", look)
        daemon.until(lambda: daemon.run(asked, check=False).returncode == 0, "the registry answers")
        yield Registry(folder)
    finally:
        process.terminate()
        process.wait(60)
