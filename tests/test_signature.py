"""Statements, and signatures in a bundle's folder: written, read back, refused where they are not ours."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from edgepack import oci
from edgepack.bundle import Bundle, BundleError, open_bundle
from edgepack.package import signed
from edgepack.package.bundle import write_bundle
from edgepack.signature import Signature, Statement, holds, parse
from tests.bundles import SPEC

KEY = Ed25519PrivateKey.generate()
NAME = KEY.public_key().public_bytes_raw().hex()


def sign(bundle: Bundle, key: Ed25519PrivateKey = KEY, serial: int | None = None) -> Bundle:
    text = signed.statement(bundle, serial, "").text()
    return signed.add(
        bundle, Signature(text, key.public_key().public_bytes_raw().hex(), key.sign(text).hex())
    )


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return sign(write_bundle(SPEC, tmp_path / "bundle"))


def test_signing_changes_no_digest_and_survives_the_same_build(bundle: Bundle) -> None:
    (one,) = bundle.signatures
    assert holds(one)
    assert one.statement.release == bundle.digest.removeprefix("sha256:")
    again = write_bundle(SPEC, bundle.folder)
    assert again == bundle
    assert open_bundle(bundle.folder, verify=True).signatures == (one,)


def test_a_key_signs_once_and_others_beside_it(bundle: Bundle) -> None:
    later = sign(bundle, serial=bundle.signatures[0].statement.serial + 5)
    assert len(later.signatures) == 1
    both = sign(later, Ed25519PrivateKey.generate())
    assert sorted(one.key == NAME for one in both.signatures) == [False, True]
    assert both.digest == bundle.digest


def test_another_build_takes_the_signature_away(bundle: Bundle) -> None:
    other = write_bundle(SPEC.__class__(**{**vars(SPEC), "version": "9.9.9"}), bundle.folder)
    assert other.signatures == ()
    assert len(list((bundle.folder / "blobs" / "sha256").iterdir())) == len(other.layers) + 2


words = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,20}", fullmatch=True)
digests = st.from_regex(r"[0-9a-f]{64}", fullmatch=True)
statements = st.builds(
    Statement,
    app=words,
    version=words,
    target=words,
    release=digests,
    files=digests,
    serial=st.integers(0, 10**12 - 1),
    helper=st.one_of(st.just(""), digests),
)


@given(statements)
def test_a_statement_reads_back(statement: Statement) -> None:
    assert parse(statement.text()) == statement


@given(statements, st.integers(0, 400), st.sampled_from([b"", b"\n", b"x", b"app y\n", b" ", b"\xff", b"\r"]))
def test_bytes_that_are_spelt_otherwise_are_no_statement(statement: Statement, at: int, more: bytes) -> None:
    text = statement.text()
    changed = text[:at] + more + text[at + 1 :]
    try:
        found = parse(changed)
    except ValueError:
        return
    assert found.text() == changed


def _index(folder: Path, change: Callable[[list[dict[str, Any]]], object]) -> None:
    file = folder / "index.json"
    index = json.loads(file.read_bytes())
    change(index["manifests"])
    file.write_bytes(oci.render_json(index))


def _rewrite(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """The signature's manifest changed, and the index made to fit."""
    index = json.loads((folder / "index.json").read_bytes())
    entry = index["manifests"][1]
    manifest = json.loads(oci.blob(folder, entry["digest"]).read_bytes())
    change(manifest)
    data = oci.render_json(manifest)
    entry["digest"], entry["size"] = f"sha256:{hashlib.sha256(data).hexdigest()}", len(data)
    oci.blob(folder, entry["digest"]).write_bytes(data)
    (folder / "index.json").write_bytes(oci.render_json(index))


def _annotate(manifest: dict[str, Any], **changes: str) -> None:
    manifest["layers"][0]["annotations"].update(
        {f"dev.edgepack.signature.{k}": v for k, v in changes.items()}
    )


HOSTILE: dict[str, Callable[[Path], object]] = {
    "listed twice": lambda f: _index(f, lambda m: m.append(m[1])),
    "too many": lambda f: _index(f, lambda m: m.extend([m[1]] * 20)),
    "an entry more": lambda f: _index(f, lambda m: m.append("x")),
    "more words in the entry": lambda f: _index(f, lambda m: m[1].update(platform={})),
    "of another bundle": lambda f: _rewrite(f, lambda m: m["subject"].update(digest="sha256:" + "0" * 64)),
    "no subject": lambda f: _rewrite(f, lambda m: m.pop("subject")),
    "no layers": lambda f: _rewrite(f, lambda m: m.update(layers=[])),
    "two layers": lambda f: _rewrite(f, lambda m: m["layers"].append(m["layers"][0])),
    "a key with a newline": lambda f: _rewrite(f, lambda m: _annotate(m, key="a" * 63 + "\n")),
    "a short signature": lambda f: _rewrite(f, lambda m: _annotate(m, value="ab")),
    "a path for a digest": lambda f: _rewrite(f, lambda m: m["layers"][0].update(digest="sha256:../../x")),
    "more annotations": lambda f: _rewrite(f, lambda m: _annotate(m, more="x")),
    "its text changed": lambda f: _text(f).write_bytes(_text(f).read_bytes().replace(b"app", b"bpp")),
    "its text longer": lambda f: _text(f).write_bytes(_text(f).read_bytes() + b"x" * 10_000),
    "its text gone": lambda f: _text(f).unlink(),
}


def _text(folder: Path) -> Path:
    index = json.loads((folder / "index.json").read_bytes())
    manifest = json.loads(oci.blob(folder, index["manifests"][1]["digest"]).read_bytes())
    return oci.blob(folder, manifest["layers"][0]["digest"])


@pytest.mark.parametrize("case", HOSTILE)
def test_what_signing_would_not_have_written_is_refused(bundle: Bundle, case: str) -> None:
    HOSTILE[case](bundle.folder)
    with pytest.raises(BundleError):
        open_bundle(bundle.folder)


def test_a_signature_by_another_key_does_not_hold(bundle: Bundle) -> None:
    (one,) = bundle.signatures
    stranger = Ed25519PrivateKey.generate().public_key().public_bytes_raw().hex()
    for wrong in (
        Signature(one.text, stranger, one.value),
        Signature(one.text + b"x", one.key, one.value),
        Signature(one.text, one.key, "00" * 64),
        Signature(one.text, "ff" * 32, one.value),
    ):
        assert not holds(wrong)
