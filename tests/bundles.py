"""A small bundle for tests, and the means to take one apart and put it together wrongly."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgepack import oci
from edgepack.bundle import LAYER_KEY, Bundle, open_bundle
from edgepack.package.bundle import BundleSpec, Content

MODEL = bytes(range(256)) * 20
SPEC = BundleSpec(
    name="digits",
    version="1.0.0",
    target="raspberry-pi-4",
    arch="aarch64",
    runtime="ncnn",
    layers={
        "program": {"bin/digits": Content(b"\x7fELF program", 0o755)},
        "model": {"model/model.bin": Content(MODEL), "model/model.param": Content(b"7767517\n")},
        "golden": {"golden/input.npy": Content(b""), "golden/output.logits.npy": Content(b"x" * 512)},
    },
    release={"gates": {"cosine": 0.9999}},
)


@dataclass
class Parts:
    """A bundle taken apart, to be put together again wrongly."""

    manifest: dict[str, Any]
    config: dict[str, Any]
    layers: dict[str, bytes]

    def file(self, path: str) -> dict[str, Any]:
        return next(f for f in self.config["files"] if f["path"] == path)

    def tar(self, kind: str, *entries: tuple[tarfile.TarInfo, bytes]) -> None:
        """Make this layer a tar of these entries."""
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for info, data in entries:
                info.size = len(data) if info.isreg() else 0
                tar.addfile(info, io.BytesIO(data))
        self.layers[kind] = out.getvalue()


def take_apart(folder: Path) -> Parts:
    bundle = open_bundle(folder)
    manifest = json.loads(oci.blob(folder, bundle.digest).read_bytes())
    return Parts(
        manifest,
        json.loads(oci.blob(folder, manifest["config"]["digest"]).read_bytes()),
        {layer.kind: oci.blob(folder, layer.digest).read_bytes() for layer in bundle.layers},
    )


def put_together(parts: Parts, folder: Path) -> None:
    """Write the parts as a layout in which every digest and size is right."""

    def add(data: bytes) -> dict[str, Any]:
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        oci.blob(folder, digest).write_bytes(data)
        return {"digest": digest, "size": len(data)}

    (folder / "blobs" / "sha256").mkdir(parents=True)
    listed = parts.manifest["layers"]
    for entry in listed if isinstance(listed, list) else []:
        data = parts.layers.get(entry.get("annotations", {}).get(LAYER_KEY))
        if data is not None:
            entry.update(add(data))
    parts.manifest["config"].update(add(oci.render_json(parts.config)))
    written = add(oci.render_json(parts.manifest))
    arch, version = parts.config.get("arch"), parts.config.get("version", "")
    (folder / "oci-layout").write_bytes(oci.LAYOUT)
    index = oci.render_index(
        written["digest"], written["size"], arch if arch in oci.PLATFORMS else "aarch64", version
    )
    (folder / "index.json").write_bytes(index)


def layer_file(bundle: Bundle, kind: str) -> Path:
    return oci.blob(bundle.folder, next(la.digest for la in bundle.layers if la.kind == kind))


def flip(path: Path, at: int, bits: int = 1) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= bits
    path.write_bytes(data)
