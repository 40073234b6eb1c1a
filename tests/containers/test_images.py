"""Whether the images that files name are there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgepack.containers import images
from edgepack.oci import PLATFORMS

from .samples import made

DIGEST = "ab" * 32
TAG = "1.0.0-raspberry-pi-4"


def layout(folder: Path, index: Any) -> Path:
    place = folder / "dist" / "doors.oci"
    (place / "blobs" / "sha256").mkdir(parents=True)
    (place / "blobs" / "sha256" / DIGEST).write_text("{}")
    (place / "index.json").write_text(index if isinstance(index, str) else json.dumps(index))
    return folder / "dist"


def entry(tag: str = TAG, platform: Any = None, digest: str = DIGEST) -> dict[str, Any]:
    named = {"annotations": {"org.opencontainers.image.ref.name": tag}, "digest": f"sha256:{digest}"}
    return {"manifests": [named | {"platform": platform or PLATFORMS["aarch64"]}]}


CASES: list[tuple[str, Any, str]] = [
    ("there", entry(), ""),
    ("another version", entry("0.9.0-raspberry-pi-4"), "there is no image doors:1.0.0-raspberry-pi-4 yet"),
    ("another platform", entry(platform={"os": "linux", "architecture": "amd64"}), "is for linux/amd64"),
    ("its blob is gone", entry(digest="cd" * 32), "there is no image"),
    ("a digest that leads away", entry(digest="../../index.json"), "there is no image"),
    ("no JSON", "{", "there is no image"),
    ("nothing that one knows", [], "there is no image"),
    ("no list", {"manifests": 3}, "there is no image"),
]


@pytest.mark.parametrize(("index", "words"), [row[1:] for row in CASES], ids=[row[0] for row in CASES])
def test_an_image_is_there_for_the_boxs_architecture_or_it_is_told(
    tmp_path: Path, index: Any, words: str
) -> None:
    one, _, _ = made(tmp_path)
    said = list(images.missing(layout(tmp_path, index), [one, one]))
    assert len(said) == (1 if words else 0)
    assert words in "".join(said)
