"""What goes with an image: bills of materials, where it comes from, who vouches for it. OCI referrers.

Each is a manifest whose ``subject`` is the image's. Registries without the referrers API have them in an
index with the tag ``sha256-<digest>``, "Referrers Tag Schema" in
https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md. CycloneDX is the bundle's own, with
the base where there is one; SPDX is made from it. No time stamp is in them but SPDX's, which the format asks
for: the epoch.
"""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgepack import __version__
from edgepack.bundle import Bundle
from edgepack.oci import INDEX_TYPE, MANIFEST_TYPE, is_sha256, render_json
from edgepack.package import sbom
from edgepack.signature import EMPTY, EMPTY_TYPE

CYCLONEDX = "application/vnd.cyclonedx+json"
SPDX = "application/spdx+json"
IN_TOTO = "application/vnd.in-toto+json"
DSSE = "application/vnd.dsse.envelope.v1+json"
STATEMENT = "https://in-toto.io/Statement/v1"
PROVENANCE = "https://slsa.dev/provenance/v1"
RELEASE = "https://in-toto.io/attestation/release/v0.1"
_BUILD = "urn:edgepack:build:1"  # a type URI of our own: what edgepack.lock says went in
_BUILD_INDEX = "urn:edgepack:index:1"  # the same of an index, which is made of images
_BOM, _PROVENANCE_FILE, _SIGNED_FILE = "sbom.cdx.json", "provenance.json", "signed.dsse.json"
_NAMESPACE = uuid.UUID("5b0c7a52-0a51-5d0e-8a6a-2d7cf6f1f0b4")  # our own, for uuid5
_TITLE = "org.opencontainers.image.title"

Sign = Callable[[bytes], tuple[str, bytes]]  # → the key's id, the signature


@dataclass(frozen=True)
class Paper:
    """One of them: what kind, its file's name for who fetches it, its bytes."""

    kind: str
    name: str
    data: bytes


def papers(
    bundle: Bundle,
    image: Mapping[str, Any],
    below: sbom.Component | None,
    lock: Mapping[str, Any] | None,
    sign: Sign | None,
) -> tuple[Paper, ...]:
    """What goes with one target's image.

    image: its manifest's descriptor; below: what its base is; lock: its part of edgepack.lock.
    """
    found = []
    if any(file.path == _BOM for file in bundle.files):
        with bundle.open(bundle.file(_BOM)) as stream:
            bill = sbom.with_part(stream.read(), below)
        found += [Paper(CYCLONEDX, _BOM, bill), Paper(SPDX, "sbom.spdx.json", spdx(json.loads(bill)))]
    subject = {"name": bundle.name, "digest": _digest(image["digest"])}
    found.append(Paper(IN_TOTO, _PROVENANCE_FILE, provenance(bundle, subject, lock)))
    if sign is not None:
        vouched = [subject, *({"name": one.name, "digest": _sha256(one.data)} for one in found)]
        found.append(Paper(DSSE, _SIGNED_FILE, signed(bundle, vouched, sign)))
    return tuple(found)


def of_index(
    name: str, version: str, index: Mapping[str, Any], parts: Sequence[Mapping[str, Any]], sign: Sign | None
) -> tuple[Paper, ...]:
    """What goes with the index of all platforms: of which images it is, and who vouches for that.

    parts: the descriptors of the images in it. A bill of materials has each of them of its own.
    """
    subject = {"name": name, "digest": _digest(index["digest"])}
    images = [
        {
            "name": "/".join(str(part["platform"][key]) for key in ("os", "architecture")),
            "digest": _digest(part["digest"]),
        }
        for part in parts
    ]
    definition = {
        "buildType": _BUILD_INDEX,
        "externalParameters": {"name": name, "version": version},
        "resolvedDependencies": images,
    }
    predicate = {"buildDefinition": definition, "runDetails": {"builder": _builder()}}
    found = [
        Paper(IN_TOTO, _PROVENANCE_FILE, render_json(_statement([subject], PROVENANCE, predicate)) + b"\n")
    ]
    if sign is not None:
        vouched = [subject, *images, {"name": _PROVENANCE_FILE, "digest": _sha256(found[0].data)}]
        purl = {"purl": f"pkg:generic/{name}@{version}"}
        found.append(Paper(DSSE, _SIGNED_FILE, _enveloped(_statement(vouched, RELEASE, purl), sign)))
    return tuple(found)


def _builder() -> dict[str, Any]:
    return {"id": "urn:edgepack", "version": {"edgepack": __version__}}


def spdx(bill: Mapping[str, Any]) -> bytes:
    """The same parts as SPDX 2.3 JSON: https://spdx.github.io/spdx-spec/v2.3/."""
    product = bill["metadata"]["component"]
    parts = [product, *bill["components"]]
    digest = hashlib.sha256(render_json(bill)).hexdigest()
    packages = [_package(f"SPDXRef-{n}", part) for n, part in enumerate(parts)]
    relations = [("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-0")]
    relations += [("SPDXRef-0", "CONTAINS", one["SPDXID"]) for one in packages[1:]]
    document = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"{product['name']} {product['version']}",
        "documentNamespace": f"urn:uuid:{uuid.uuid5(_NAMESPACE, digest)}",
        "creationInfo": {"created": "1970-01-01T00:00:00Z", "creators": [f"Tool: edgepack-{__version__}"]},
        "packages": packages,
        "relationships": [
            {"spdxElementId": one, "relationshipType": how, "relatedSpdxElement": other}
            for one, how, other in relations
        ],
    }
    return (json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _package(name: str, part: Mapping[str, Any]) -> dict[str, Any]:
    licence = next(
        (row["expression"] for row in part.get("licenses", []) if "expression" in row), "NOASSERTION"
    )
    found: dict[str, Any] = {
        "SPDXID": name,
        "name": part["name"],
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": licence,
        "copyrightText": "NOASSERTION",
    }
    if part.get("version"):
        found["versionInfo"] = part["version"]
    hashes = [row["content"] for row in part.get("hashes", []) if row["alg"] == "SHA-256"]
    if hashes:
        found["checksums"] = [{"algorithm": "SHA256", "checksumValue": hashes[0]}]
    if part.get("purl"):
        purl = {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl"}
        found["externalRefs"] = [{**purl, "referenceLocator": part["purl"]}]
    return found


def provenance(bundle: Bundle, subject: Mapping[str, Any], lock: Mapping[str, Any] | None) -> bytes:
    """An in-toto statement with SLSA's predicate 1.0: what went into each stage, by edgepack.lock.

    Without a lock of this very bundle it names the release alone.
    """
    known = lock if lock and lock.get("bundle") == bundle.digest else {}
    stages = {stage: said for stage, said in known.items() if isinstance(said, dict)}
    materials = [
        {"name": f"{stage}/{name}", "digest": {"sha256": value}}
        for stage, said in sorted(stages.items())
        for name, value in sorted(said.items())
        if is_sha256(value)
    ]
    plain = {
        f"{stage}/{name}": value
        for stage, said in sorted(stages.items())
        for name, value in sorted(said.items())
        if not is_sha256(value)
    }
    identity = {"name": bundle.name, "version": bundle.version, "target": bundle.target}
    release = {"name": "release", "digest": _digest(bundle.digest)}
    definition = {
        "buildType": _BUILD,
        "externalParameters": {**identity, "runtime": bundle.runtime},
        "internalParameters": plain,
        "resolvedDependencies": [release, *materials],
    }
    predicate = {"buildDefinition": definition, "runDetails": {"builder": _builder()}}
    return render_json(_statement([subject], PROVENANCE, predicate)) + b"\n"


def signed(bundle: Bundle, subjects: Sequence[Mapping[str, Any]], sign: Sign) -> bytes:
    """A DSSE envelope, https://github.com/secure-systems-lab/dsse: image and papers are this release's.

    Small enough for a token, which signs 1024 bytes at once and no more.
    """
    predicate = {"purl": f"pkg:generic/{bundle.name}@{bundle.version}", "releaseId": bundle.digest[7:]}
    return _enveloped(_statement(subjects, RELEASE, predicate), sign)


def _enveloped(statement: Mapping[str, Any], sign: Sign) -> bytes:
    payload = render_json(statement)
    key, value = sign(pae(IN_TOTO, payload))
    envelope = {
        "payloadType": IN_TOTO,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [{"keyid": key, "sig": base64.b64encode(value).decode()}],
    }
    return render_json(envelope) + b"\n"


def pae(kind: str, payload: bytes) -> bytes:
    """What is signed of an envelope: DSSE's pre-authentication encoding."""
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)


def _statement(
    subjects: Sequence[Mapping[str, Any]], kind: str, predicate: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "_type": STATEMENT,
        "subject": [dict(one) for one in subjects],
        "predicateType": kind,
        "predicate": predicate,
    }


def referrers(
    image: Mapping[str, Any], found: Sequence[Paper], put: Callable[[str, bytes], dict[str, Any]]
) -> tuple[dict[str, Any], tuple[dict[str, Any], ...]]:
    """Put each paper's manifest, and the index that lists them; the index's descriptor and theirs.

    put: writes a blob of a media type, and says its descriptor.
    """
    subject = {key: image[key] for key in ("mediaType", "digest", "size")}
    entries = []
    for one in found:
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "artifactType": one.kind,
            "config": put(EMPTY_TYPE, EMPTY),
            "layers": [{**put(one.kind, one.data), "annotations": {_TITLE: one.name}}],
            "subject": subject,
        }
        entries.append({**put(MANIFEST_TYPE, render_json(manifest)), "artifactType": one.kind})
    index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": entries}
    return put(INDEX_TYPE, render_json(index)), tuple(entries)


def tag_of(digest: str) -> str:
    """The tag under which a registry without the referrers API has what refers to a manifest."""
    return digest.replace(":", "-", 1)


def _digest(digest: str) -> dict[str, str]:
    return {"sha256": digest.removeprefix("sha256:")}


def _sha256(data: bytes) -> dict[str, str]:
    return {"sha256": hashlib.sha256(data).hexdigest()}
