"""`edgepack image --verify`: what was signed holds, and whatever is changed afterwards is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from edgepack import oci
from edgepack.bundle import Bundle
from edgepack.cli.main import main
from edgepack.errors import Exit
from edgepack.package import image_merged, image_papers
from edgepack.package.errors import PackageError
from edgepack.package.image import Image, ImageSpec, Part, write_image
from edgepack.package.image_base import EMPTY
from edgepack.package.image_layers import add

from .test_image import bundle

KEY = Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)
OTHER = Ed25519PrivateKey.from_private_bytes(b"\x08" * 32)


def signer(key: Ed25519PrivateKey) -> image_papers.Sign:
    return lambda data: (key.public_key().public_bytes_raw().hex(), key.sign(data))


def public(key: Ed25519PrivateKey, file: Path) -> Path:
    text = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    file.write_bytes(text + b" ops@example\n")
    return file


@pytest.fixture
def bundles(tmp_path: Path) -> list[Bundle]:
    return [bundle(tmp_path, arch, arch) for arch in ("x86_64", "aarch64")]


def made(bundles: list[Bundle], dest: Path, key: Ed25519PrivateKey | None = KEY) -> Image:
    parts = [Part(one, EMPTY) for one in bundles]
    return write_image(ImageSpec(parts, sign=signer(key) if key else None), dest)


def verified(image: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = main(["image", "--verify", f"oci:{image}@1.0.0", *words, "--json"])
    said = capsys.readouterr()
    return code, said.out + said.err


def test_who_signed_is_said_of_the_index_and_of_each_image(
    bundles: list[Bundle], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = made(bundles, tmp_path / "image")
    code, said = verified(image.folder, capsys, "--by", str(public(KEY, tmp_path / "ops.pub")))
    assert code == Exit.OK, said
    rows = json.loads(said)
    assert [row["what"] for row in rows] == ["index", "linux/amd64", "linux/arm64/v8"]
    mine = KEY.public_key().public_bytes_raw().hex()
    assert [(row["signed_by"], row["unsigned"]) for row in rows] == [([mine], [])] * 3


def _paper(image: Image, kind: str) -> Path:
    entry = next(one for one in image.targets[0].papers if one["artifactType"] == kind)
    manifest = json.loads(oci.blob(image.folder, entry["digest"]).read_bytes())
    return oci.blob(image.folder, manifest["layers"][0]["digest"])


def _another_paper(image: Image) -> None:
    """Somebody lists another provenance in the place of the one that was signed; every digest is right."""
    one = image.targets[0]
    index = json.loads((image.folder / "index.json").read_bytes())
    entry = next(e for e in index["manifests"] if e["annotations"][oci.REF_KEY] == one.papers_tag)
    listed = json.loads(oci.blob(image.folder, entry["digest"]).read_bytes())
    for at, paper in enumerate(listed["manifests"]):
        if paper["artifactType"] == image_papers.IN_TOTO:
            manifest = json.loads(oci.blob(image.folder, paper["digest"]).read_bytes())
            digest, size = add(image.folder, [b'{"it": "was built by me"}'])
            manifest["layers"][0] |= {"digest": digest, "size": size}
            digest, size = add(image.folder, [oci.render_json(manifest)])
            listed["manifests"][at] |= {"digest": digest, "size": size}
    entry["digest"], entry["size"] = add(image.folder, [oci.render_json(listed)])
    (image.folder / "index.json").write_bytes(oci.render_json(index))


def _changed(file: Callable[[Image], Path]) -> Callable[[Image], None]:
    def change(image: Image) -> None:
        path = file(image)
        data = path.read_bytes()
        path.unlink()  # layers are links to the bundle's
        path.write_bytes(bytes([data[0] ^ 1]) + data[1:])

    return change


WRONG = {
    "a layer": (_changed(lambda i: oci.blob(i.folder, i.targets[0].layers[0].digest)), "damaged"),
    "a configuration": (_changed(lambda i: oci.blob(i.folder, i.targets[1].config["digest"])), "damaged"),
    "a provenance": (_changed(lambda i: _paper(i, image_papers.IN_TOTO)), "damaged"),
    "a signature": (_changed(lambda i: _paper(i, image_papers.DSSE)), "damaged"),
    "another provenance": (_another_paper, "what was signed with linux/amd64 is not there"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_changed_after_it_was_signed_is_found(
    what: str, bundles: list[Bundle], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = made(bundles, tmp_path / "image")
    change, told = WRONG[what]
    change(image)
    code, said = verified(image.folder, capsys)
    assert code != Exit.OK
    assert told in json.loads(said)["what"]


@pytest.mark.parametrize(
    ("key", "by", "told"),
    [(None, KEY, "nobody vouches for index"), (OTHER, KEY, "index was signed by somebody else")],
)
def test_one_that_the_right_person_did_not_sign_is_refused(
    key: Ed25519PrivateKey | None,
    by: Ed25519PrivateKey,
    told: str,
    bundles: list[Bundle],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    image = made(bundles, tmp_path / "image", key)
    code, said = verified(image.folder, capsys, "--by", str(public(by, tmp_path / "ops.pub")))
    assert (code, json.loads(said)["what"]) == (Exit.INPUT, told)


def test_a_list_that_is_there_keeps_what_others_put_there(bundles: list[Bundle], tmp_path: Path) -> None:
    """Two people sign one image: the second's push lists the first one's signature too, and twice nothing."""
    first, second = made(bundles, tmp_path / "first", OTHER), made(bundles, tmp_path / "second", KEY)
    assert first.index == second.index
    for tag, entry, papers in (
        (one.papers_tag, one.papers_index, mine.papers)
        for one, mine in zip(first.targets, second.targets, strict=True)
    ):
        listed = oci.blob(first.folder, entry["digest"]).read_bytes()
        both = tmp_path / f"both-{tag}"
        assert image_merged.merge(second.folder, tag, first.folder, listed, both) == 1, "their signature"
        (found,) = json.loads((both / "index.json").read_bytes())["manifests"]
        data = oci.blob(both, found["digest"]).read_bytes()
        digests = [one["digest"] for one in json.loads(data)["manifests"]]
        assert digests[:-1] == [one["digest"] for one in papers]
        assert len(set(digests)) == len(digests) == 3
        assert image_merged.merge(second.folder, tag, both, data, tmp_path / f"again-{tag}") == 1


@pytest.mark.parametrize("data", [b"", b"[]", b'{"manifests": 1}', b'{"manifests": [{"mediaType": "x"}]}'])
def test_a_list_that_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(PackageError, match=r"under that tag|not all manifests"):
        image_merged.entries(data, "registry.example/digits:sha256-0")
