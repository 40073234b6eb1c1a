"""The build's proof: the cross-compiled program on the golden vectors, here, before anything is shipped."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgepack.catalog.packaged_runtimes import PACKAGED
from edgepack.catalog.runtimes import ordered
from edgepack.catalog.vendor_runtimes import vendor_of
from edgepack.compile.errors import ParityError
from edgepack.errors import ToolError
from edgepack.model import golden
from edgepack.model.parity import judge
from edgepack.plan.program_steps import glibc_of
from edgepack.plan.step import Work
from edgepack.tools import qemu, sysroot
from edgepack.tools.runner import command
from edgepack.tools.runner import run as start

NATIVE = "this machine"

_FIX_OUTPUTS = (
    "compare `pre` in edgepack.yaml with the training's own pre-processing: scale and mean, channel order, "
    "resize; then the converted model's layers"
)
_FIX_RECORDS = (
    "the model's outputs are right: compare `post` with what recorded the vectors' `record.` fields"
)


def runners() -> dict[str, str]:
    """How programs of each architecture can run on this host: architecture → in words."""
    found = {qemu.host_arch(): NATIVE}
    for arch in qemu.NAMES:
        if arch not in found and qemu.find(arch) is not None:
            found[arch] = "qemu-user"
    return found


def run(work: Work) -> str:
    """Prove the program, or say that nothing here can run it. Raises ParityError when it is not proven."""
    step, manifest = work.step("verify"), work.project.manifest
    if manifest.model.golden is None:
        work.store.put(step.key, {}, {"state": "no golden vectors", "ok": None})
        return "no golden vectors in the manifest: nothing is proven (model.golden)"
    arch = work.choice.target.arch
    foreign = arch != qemu.host_arch()
    vendor = vendor_of(work.choice.runtime, work.choice.target.chip)
    if vendor is not None and (foreign or not vendor.brings):
        where = f"of {arch} boxes, with their C++ library" if vendor.brings else "on the box alone"
        why = f"{vendor.name}'s library is {where}"
        work.store.put(step.key, {}, {"state": f"by contract only: {why}", "ok": None})
        return f"not proven here, by contract only: {why}; the box will prove it"
    try:
        prefix = _emulated(work, arch) if foreign else ()
    except ToolError as error:
        # Not kept as a result: the next build tries again to get what is missing.
        return f"not proven here: {error.what} ({error.why}); the box will prove it"
    emulator = Path(prefix[0]) if prefix else None
    if emulator is None and foreign:
        work.store.put(step.key, {}, {"state": f"nothing here runs {arch} programs", "ok": None})
        return f"not proven here: no qemu-user for {arch}; the box will prove it"
    how = f"qemu-user {qemu.version(emulator)}" if emulator else NATIVE
    work.progress(f"golden vectors on {how}")
    with tempfile.TemporaryDirectory(prefix="edgepack-verify-") as temporary:
        release = Path(temporary)
        _lay_out(work, release)
        # The model is encrypted when it is packaged: until then the program is told to take it as it is.
        plain = ("--plain",) if manifest.encryption else ()
        argv = command(*prefix, release / "bin" / manifest.name, "verify", *plain, timeout_s=600)
        done = start(argv, log=work.log("verify"))
    report = _report(work, done.stdout, done.returncode, done.text())
    verdict = judge(report, _golden_names(work))
    kind = "emulator or simulator" if emulator else "hardware"
    report = {**report, "state": f"verified on {kind} ({how})", "how": how, "ok": verdict.ok}
    if not verdict.ok:
        raise ParityError(
            f"{work.choice.target.id}: the program does not compute what was trained",
            where=f"{_golden_place(work)}, on {how}",
            why=verdict.why,
            fix=_FIX_RECORDS if verdict.only_records else _FIX_OUTPUTS,
            detail=verdict.table,
        )
    work.store.put(step.key, {}, report)
    return f"{verdict.summary} on {how}"


def _emulated(work: Work, arch: str) -> tuple[str | Path, ...]:
    """The words that start a program of that architecture; none where nothing here can.

    What starts one with a glibc is fetched where it is not here. Raises ToolError where it cannot be had.
    """
    if not glibc_of(work.project, work.choice):
        found = qemu.find(arch)
        return (found,) if found else ()

    def told(text: str, _done: int, _size: int) -> None:
        work.progress(text)

    emulator = qemu.fetch(arch, told, least=qemu.FOR_LIBRARIES)
    about = PACKAGED.get(work.choice.runtime)
    asked = str(work.result("compile").report["needs"]["libc"]).removeprefix("glibc ")
    least = max(about.libraries[arch].glibc if about else "", "" if asked == "static" else asked, key=ordered)
    return (emulator, "-L", sysroot.glibc(arch, work.progress, least))


def _lay_out(work: Work, release: Path) -> None:
    """A release as it will lie on the box: program, model, golden vectors."""
    outputs = {
        f"bin/{work.project.manifest.name}": work.result("compile").outputs["program"],
        **{f"model/{name}": output for name, output in work.result("convert").outputs.items()},
        **{
            f"model/{part}/{name}": output
            for part in work.plan.parts
            for name, output in work.part_result(part).outputs.items()
        },
    }
    # The library by its soname, which is what the program asks for.
    for name, output in work.result("compile").outputs.items():
        if name.startswith("sdk/lib/lib") and ".so." in name:
            file, so, version = name.removeprefix("sdk/").partition(".so.")
            outputs[f"{file}{so}{version.split('.')[0]}"] = output
    compiled = work.result("compile").outputs
    outputs |= {name: output for name, output in compiled.items() if name.startswith("lib/")}
    for name, output in outputs.items():
        place = release / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(work.store.blob(output.sha256), place)
        place.chmod(0o755 if output.executable else 0o644)
    assert work.project.manifest.model.golden is not None
    golden.unpack(work.project.file(work.project.manifest.model.golden), release / "golden")


def _golden_names(work: Work) -> golden.Names:
    assert work.project.manifest.model.golden is not None
    return golden.names(work.project.file(work.project.manifest.model.golden))


def _report(work: Work, stdout: bytes, returncode: int, text: str) -> Mapping[str, Any]:
    """The program's own JSON; its exit code alone is never believed."""
    try:
        report = json.loads(stdout)
    except ValueError:
        report = None
    if isinstance(report, dict) and not report.get("error"):
        return report
    raise ParityError(
        f"{work.choice.target.id}: the program could not run the golden vectors",
        where=_golden_place(work),
        why=str(report["error"]) if isinstance(report, dict) else f"it ended with {returncode} and no report",
        fix="correct your own code where it is named, or record the vectors again from inputs like the box's",
        detail="" if isinstance(report, dict) else text.strip()[-1500:],
    )


def _golden_place(work: Work) -> str:
    line = work.project.document.line(("model", "golden"))
    return f"{work.project.manifest.model.golden} (edgepack.yaml:{line})"
