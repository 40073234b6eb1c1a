"""A deploy in a process of its own, which a test ends in the middle: no clean-up, as when power fails.

``python -m tests.ship.deployer BUNDLE STAGE HOST-ENDPOINT…``: kills itself when STAGE begins.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from edgepack.box.endpoint import Endpoint
from edgepack.bundle import open_bundle
from edgepack.ship.deploy import deploy
from edgepack.tools.runner import command, run

ROOT = Path(__file__).resolve().parents[2]


def killed_at(endpoint: Endpoint, bundle: Path, stage: str, sign: signal.Signals = signal.SIGKILL) -> int:
    """Deploy in another process that ends itself when ``stage`` begins; its exit status."""
    identity, port = str(endpoint.identity), str(endpoint.port)
    words = (endpoint.host, port, endpoint.user, identity, endpoint.host_key, endpoint.root)
    argv = (sys.executable, "-m", "tests.ship.deployer", bundle, stage, sign.name, *map(str, words))
    return run(command(*argv, cwd=ROOT, timeout_s=120)).returncode


def main() -> None:
    bundle, stage, sign, host, port, user, identity, host_key, root = sys.argv[1:]
    endpoint = Endpoint("box-07", host, int(port), user, Path(identity), host_key, root=root)

    def progress(now: str, done: int, total: int) -> None:
        if now == stage:
            os.kill(os.getpid(), signal.Signals[sign])

    deploy(endpoint, open_bundle(Path(bundle)), progress=progress)


if __name__ == "__main__":
    main()
