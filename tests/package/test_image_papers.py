"""What goes with an image: every digest in it is right, and a signature is of exactly that."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgepack import oci
from edgepack.bundle import Bundle
from edgepack.package import image_papers, sbom
from edgepack.package.bundle import Content, write_bundle
from edgepack.package.image import Image, ImageSpec, Part, write_image
from edgepack.package.image_base import EMPTY, Base
from tests.bundles import SPEC

BILL = sbom.render(
    "digits",
    "1.0.0",
    [
        sbom.Component("musl", "1.2.5", licence="MIT", purl="pkg:generic/musl@1.2.5"),
        sbom.Component("bin/digits", "1.0.0", "application", sha256="a" * 64),
    ],
)
TOKEN_MOST = 1024  # bytes that a token signs at once


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    layers = {**SPEC.layers, "notices": {"sbom.cdx.json": Content(BILL)}}
    return write_bundle(dataclasses.replace(SPEC, layers=layers), tmp_path / "bundle")


def image(bundle: Bundle, dest: Path, **more: Any) -> Image:
    return write_image(ImageSpec([Part(bundle, EMPTY)], **more), dest)


def read(folder: Path, entry: Any) -> Any:
    return json.loads(data(folder, entry))


def data(folder: Path, entry: Any) -> bytes:
    found = oci.blob(folder, entry["digest"]).read_bytes()
    assert entry["digest"] == f"sha256:{hashlib.sha256(found).hexdigest()}"
    assert entry["size"] == len(found)
    return found


def papers(made: Image) -> dict[str, bytes]:
    """By their kind, found as a client of a registry without the API finds them: by the tag."""
    (one,) = made.targets
    listed = json.loads((made.folder / "index.json").read_bytes())["manifests"]
    tag = "sha256-" + str(one.manifest["digest"])[7:]
    (index,) = [entry for entry in listed if entry["annotations"][oci.REF_KEY] == tag]
    found = {}
    for entry in read(made.folder, index)["manifests"]:
        manifest = read(made.folder, entry)
        assert manifest["subject"] == {key: one.manifest[key] for key in ("mediaType", "digest", "size")}
        assert manifest["artifactType"] == entry["artifactType"]
        assert data(made.folder, manifest["config"]) == b"{}"
        found[entry["artifactType"]] = data(made.folder, manifest["layers"][0])
    return found


def test_bills_and_provenance_refer_to_the_image(bundle: Bundle, tmp_path: Path) -> None:
    lock = {
        "bundle": bundle.digest,
        "compile": {"src/post.cpp": "b" * 64, "threads": "1"},
        "converter": {"name": "pnnx", "version": "20261020"},
    }
    made = image(bundle, tmp_path / "image", lock={bundle.target: lock})
    found = papers(made)
    assert set(found) == {image_papers.CYCLONEDX, image_papers.SPDX, image_papers.IN_TOTO}
    assert found[image_papers.CYCLONEDX] == BILL
    said = json.loads(found[image_papers.IN_TOTO])
    assert said["subject"][0]["digest"] == {"sha256": str(made.targets[0].manifest["digest"])[7:]}
    definition = said["predicate"]["buildDefinition"]
    materials = {one["name"]: one["digest"]["sha256"] for one in definition["resolvedDependencies"]}
    assert materials == {"release": bundle.digest[7:], "compile/src/post.cpp": "b" * 64}
    assert definition["internalParameters"]["converter/version"] == "20261020"


def test_a_lock_of_another_bundle_says_nothing_of_this_one(bundle: Bundle, tmp_path: Path) -> None:
    other = {"bundle": "sha256:" + "0" * 64, "compile": {"src/post.cpp": "b" * 64}}
    found = papers(image(bundle, tmp_path / "image", lock={bundle.target: other}))
    assert "src/post.cpp" not in found[image_papers.IN_TOTO].decode()


def test_spdx_has_the_same_parts_and_licences() -> None:
    document = json.loads(image_papers.spdx(json.loads(BILL)))
    parts = {one["name"]: one for one in document["packages"]}
    assert set(parts) == {"digits", "musl", "bin/digits"}
    assert parts["musl"]["licenseDeclared"] == "MIT"
    assert parts["musl"]["externalRefs"][0]["referenceLocator"] == "pkg:generic/musl@1.2.5"
    assert parts["bin/digits"]["checksums"][0]["checksumValue"] == "a" * 64
    assert image_papers.spdx(json.loads(BILL)) == image_papers.spdx(json.loads(BILL))


def test_a_base_is_a_part_of_what_is_billed(bundle: Bundle, tmp_path: Path) -> None:
    base = Base("libc", part=sbom.Component("libc6", "2.31", licence="LGPL-2.1-or-later", purl="pkg:deb/x@1"))
    made = write_image(ImageSpec([Part(bundle, base)]), tmp_path / "image")
    bill = json.loads(papers(made)[image_papers.CYCLONEDX])
    assert [part["name"] for part in bill["components"]] == ["bin/digits", "libc6", "musl"]
    assert "pkg:deb/x@1" in bill["dependencies"][0]["dependsOn"]
    assert bill["serialNumber"] != json.loads(BILL)["serialNumber"]
    assert b"LGPL-2.1-or-later" in papers(made)[image_papers.SPDX]


def test_a_signature_is_of_the_image_and_of_what_goes_with_it(bundle: Bundle, tmp_path: Path) -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    sizes = []

    def sign(text: bytes) -> tuple[str, bytes]:
        sizes.append(len(text))
        return "key-1", key.sign(text)

    made = image(bundle, tmp_path / "image", sign=sign)
    found = papers(made)
    envelope = json.loads(found[image_papers.DSSE])
    payload = base64.b64decode(envelope["payload"])
    (signature,) = envelope["signatures"]
    value = base64.b64decode(signature["sig"])
    key.public_key().verify(value, image_papers.pae(envelope["payloadType"], payload))
    with pytest.raises(InvalidSignature):
        key.public_key().verify(value, image_papers.pae(envelope["payloadType"], payload + b" "))
    digests = [one["digest"]["sha256"] for one in json.loads(payload)["subject"]]
    others = [hashlib.sha256(text).hexdigest() for kind, text in found.items() if kind != image_papers.DSSE]
    assert digests == [str(made.targets[0].manifest["digest"])[7:], *others]
    assert max(sizes) <= TOKEN_MOST, "a token signs no more at once"
    again = image(bundle, tmp_path / "again", sign=sign)
    assert again.targets[0].papers == made.targets[0].papers, "Ed25519 draws nothing"
