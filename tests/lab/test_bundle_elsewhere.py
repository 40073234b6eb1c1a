"""Other people's tools read our bundles: skopeo the layout, tar the layers, CycloneDX's own the bill."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from edgepack import oci
from edgepack.bundle import open_bundle
from edgepack.catalog.ncnn_build import SOURCE
from edgepack.package import image_papers, linked, sbom
from edgepack.package.bundle import write_bundle
from edgepack.tools import sdist, uv
from tests.bundles import SPEC, layer_file


def output(*argv: str | Path) -> bytes:
    return subprocess.run([str(word) for word in argv], check=True, capture_output=True).stdout


def test_skopeo_reads_and_copies_a_bundle_with_its_digest_unchanged(tmp_path: Path) -> None:
    bundle = write_bundle(SPEC, tmp_path / "b")
    raw = output("skopeo", "inspect", "--raw", f"oci:{bundle.folder}:{bundle.version}")
    assert raw == oci.blob(bundle.folder, bundle.digest).read_bytes()
    output("skopeo", "copy", f"oci:{bundle.folder}", f"dir:{tmp_path / 'as-dir'}")
    output("skopeo", "copy", f"dir:{tmp_path / 'as-dir'}", f"oci:{tmp_path / 'again'}:1.0.0")
    index = json.loads((tmp_path / "again" / "index.json").read_bytes())
    assert index["manifests"][0]["digest"] == bundle.digest
    copied, ours = (folder / "blobs" / "sha256" for folder in (tmp_path / "again", bundle.folder))
    assert {p.name: p.read_bytes() for p in copied.iterdir()} == {
        p.name: p.read_bytes() for p in ours.iterdir()
    }


def test_tar_and_busybox_unpack_a_layer_to_what_the_bundle_lists(tmp_path: Path) -> None:
    bundle = write_bundle(SPEC, tmp_path / "b")
    for n, tar in enumerate((["tar"], ["busybox", "tar"])):
        into = tmp_path / f"out{n}"
        into.mkdir()
        for layer in bundle.layers:
            output(*tar, "-x", "-f", layer_file(bundle, layer.kind), "-C", into)
        for file in bundle.files:
            with open_bundle(bundle.folder).open(file) as stream:
                assert (into / file.path).read_bytes() == stream.read()
            assert (into / file.path).stat().st_mode & 0o777 == file.mode


def test_gcc_programs_carry_glibcs_and_libstdcxxs_licences() -> None:
    found = linked.by_gcc(sdist.unpack(SOURCE), "aarch64")
    assert b"GNU Lesser General Public" in found.texts["glibc.txt"]
    assert b"GCC Runtime Library Exception" in found.texts["libstdc++.txt"]
    assert {part.name for part in found.parts} == {"ncnn", "glibc", "libgcc", "libgomp", "libstdc++"}
    assert all(part.version and part.licence for part in found.parts)


def bill_of_an_image() -> bytes:
    parts = [
        *linked.by_zig(sdist.unpack(SOURCE), linked.zig_lib()).parts,
        *linked.by_gcc(sdist.unpack(SOURCE), "aarch64").parts,
        sbom.Component("bin/digits", "1.0.0", "application", sha256="a" * 64),
        sbom.Component("model/model.bin", "", "machine-learning-model", sha256="b" * 64),
    ]
    base = sbom.Component("registry.example/base:1", "sha256:" + "c" * 64, "container")
    return sbom.with_part(sbom.render("digits", "1.0.0", parts), base)


def judged(package: str, judge: str, bill: Path) -> bytes:
    words = ["run", "--no-project", "--quiet", "--with", package, "python", "-c", judge]
    return output(uv.program(), *words, bill)


def test_cyclonedx_accepts_the_bill(tmp_path: Path) -> None:
    bill = tmp_path / "bill.json"
    bill.write_bytes(bill_of_an_image())
    judge = (
        "import sys; from cyclonedx.schema import SchemaVersion;"
        "from cyclonedx.validation.json import JsonStrictValidator;"
        "print(JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(sys.argv[1]).read()))"
    )
    assert judged("cyclonedx-python-lib[json-validation]==11.12.0", judge, bill) == b"None\n"


def test_spdx_accepts_the_same_bill_in_its_own_words(tmp_path: Path) -> None:
    bill = tmp_path / "bill.spdx.json"
    judge = (
        "import sys; from spdx_tools.spdx.parser.parse_anything import parse_file;"
        "from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document as judge;"
        "print([one.validation_message for one in judge(parse_file(sys.argv[1]))])"
    )
    known = json.loads(image_papers.spdx(json.loads(bill_of_an_image())))
    bill.write_text(json.dumps(known))
    assert judged("spdx-tools==0.8.3", judge, bill) == b"[]\n"
    known["packages"][1]["licenseDeclared"] = "not a licence"
    bill.write_text(json.dumps(known))
    assert judged("spdx-tools==0.8.3", judge, bill) != b"[]\n", "the judge sees a licence that is none"
