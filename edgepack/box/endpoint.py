"""Where a box is and how it is reached: data, so that a fleet, a sandbox and a test give the same."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Endpoint:
    """One box. What is None comes from the user's own SSH configuration, as ``ssh`` itself has it."""

    node: str
    host: str
    port: int | None = None
    user: str | None = None
    identity: Path | None = None  # a private key file
    host_key: str | None = None  # pinned: "ssh-ed25519 AAAA…"
    jump: str | None = None  # [user@]host[:port], several with commas between, as `ssh -J`
    root: str = "edgepack"  # absolute, or below the account's home
    description: str = ""
    transport: str = "paramiko"  # or "ssh", this host's own
    runs: str = "process"  # or "systemd", "compose"
    memory_mb: int = 0  # the most that systemd gives an app; 0: no limit
    cpu_percent: int = 0  # 100 is one core
    pause: str = "auto"  # what runs, for the golden vectors: auto, always, never
    at_boot: bool = False  # whether what starts things on the box may be told to start the programs

    @property
    def where(self) -> str:
        """``box-07 (pi@10.0.0.7:22)``, with what is known of it."""
        account = f"{self.user}@" if self.user else ""
        port = f":{self.port}" if self.port else ""
        return f"{self.node} ({account}{self.host}{port})"
