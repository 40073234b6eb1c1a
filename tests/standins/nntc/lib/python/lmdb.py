"""Stand-in for the lmdb package, on which Sophon's ufw.io is built; no more than ufw.io below needs."""

from pathlib import Path


class Environment:
    def __init__(self, path):
        Path(path).mkdir(parents=True, exist_ok=True)
        self.file = (Path(path) / "data.mdb").open("wb")


def open(path, map_size=0):  # noqa: A001 - the package's own name
    return Environment(path)
