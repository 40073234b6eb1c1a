"""The build's last stage for the form `sdk`: what a partner gets, in ``dist/<name>@<target>.sdk/``."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgepack.model import golden
from edgepack.package import handed
from edgepack.package.bundle import Content
from edgepack.package.linked import notices_layer
from edgepack.package.sdk_reference import reference
from edgepack.plan.step import Plan, Work
from edgepack.store import Store

REFERENCE = "share/doc/reference.md"
ABOUT = "sdk.json"


def run(work: Work) -> str:
    """Lay out library, headers, CMake package, model, vectors and notices; returns a line on it."""
    target = work.choice.target.id
    beside = handed.begun(work.project, target, "sdk")
    contents = _contents(work)
    for name, content in {**contents, **notices_layer(work, _layers(work, contents))}.items():
        place = beside / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content.source, bytes):
            place.write_bytes(content.source)
        else:
            shutil.copyfile(content.source, place)
        place.chmod(content.mode)
    for link, soname, file in _links(contents):
        (beside / soname).symlink_to(file)
        (beside / link).symlink_to(Path(soname).name)
    vectors = work.project.manifest.model.golden
    if vectors:
        golden.unpack(work.project.file(vectors), beside / "golden")
    manifest = work.project.manifest
    header = (beside / "include" / f"{manifest.name}.h").read_text()
    (beside / REFERENCE).parent.mkdir(parents=True, exist_ok=True)
    (beside / REFERENCE).write_text(reference(header, f"{manifest.name} {manifest.version}"))
    (beside / ABOUT).write_text(json.dumps(_about(work), indent=1, sort_keys=True) + "\n")
    dest = handed.finish(work.project, target, "sdk", work.step("sdk").key)
    return str(dest.relative_to(work.project.folder))


def proof(plan: Plan, target: str, store: Store) -> dict[str, Any]:
    """What the golden vectors said of the library, through its C interface."""
    result = store.get(plan.step(target, "verify").key)
    return dict(result.report) if result else {}


def _contents(work: Work) -> dict[str, Content]:
    """Path in the SDK → content, without what is written here."""
    name, store = work.project.manifest.name, work.store
    compiled = work.result("compile").outputs
    found = {f"bin/{name}": Content(store.blob(compiled["program"].sha256), 0o755)}
    for path, output in compiled.items():
        # Symbols stay with who built it: a partner is given a library, not its source's names.
        if path.startswith("sdk/") and not path.startswith(("sdk/bin/", "sdk/debug/")):
            found[path.removeprefix("sdk/")] = Content(store.blob(output.sha256))
    for file, output in work.result("convert").outputs.items():
        found[f"model/{file}"] = Content(store.blob(output.sha256))
    return found


def _layers(work: Work, contents: Mapping[str, Content]) -> dict[str, dict[str, Content]]:
    """What the bill of materials tells of: the library and the model."""
    library = {p: c for p, c in contents.items() if p.startswith(("lib/lib", "bin/"))}
    return {"program": library, "model": {p: c for p, c in contents.items() if p.startswith("model/")}}


def _links(contents: Mapping[str, Content]) -> list[tuple[str, str, str]]:
    """(link name, soname, file) of each library, as ldconfig and a linker look for them."""
    found = []
    for path in contents:
        link, so, version = path.partition(".so.")
        if path.startswith("lib/lib") and so:
            soname = f"{link}.so.{version.split('.')[0]}"
            found.append((f"{link}.so", soname, Path(path).name))
    return [(link, soname, file) for link, soname, file in found if Path(soname).name != file]


def _about(work: Work) -> dict[str, Any]:
    manifest, choice = work.project.manifest, work.choice
    return {
        "name": manifest.name,
        "version": manifest.version,
        "target": choice.target.id,
        "arch": choice.target.arch,
        "glibc": work.result("compile").report["glibc"],
        "runtime": choice.runtime,
        "precision": choice.precision,
        "build_id": work.result("compile").report["build_id"],
        "proof": proof(work.plan, choice.target.id, work.store),
    }
