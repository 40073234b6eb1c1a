"""The second half of a plan: the program around the converted model, its proof, its bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgepack.catalog import ncnn_layers
from edgepack.catalog.architectures import architecture
from edgepack.catalog.ncnn_build import NcnnSpec
from edgepack.catalog.packaged_runtimes import PACKAGED, PackagedSpec
from edgepack.catalog.programs import NO_ARCH
from edgepack.catalog.runtimes import DEFAULT_GLIBC, linkage
from edgepack.catalog.toolchains import OWN_CPP, OWN_GLIBC, label
from edgepack.catalog.vendor_runtimes import VENDORS, vendor_of
from edgepack.errors import InputError
from edgepack.manifest.project import Manifest, Project
from edgepack.plan.gates import gates_of
from edgepack.plan.keys import make_step
from edgepack.plan.libraries import library_steps
from edgepack.plan.needs import needs_of
from edgepack.plan.snapshot import Snapshot
from edgepack.plan.step import Choice, Step
from edgepack.store import digest_of


def has_program(snapshot: Snapshot, choice: Choice) -> bool:
    """Whether a program is built around the model: the template drives its runtime, and it is a whole one."""
    return (
        choice.runtime in snapshot.here.programs and choice.part is None and not no_program(snapshot, choice)
    )


def no_program(snapshot: Snapshot, choice: Choice) -> str:
    """Why a vendor's runtime gives the converted model alone, in words; empty where there is a program."""
    vendor = vendor_of(choice.runtime, choice.target.chip)
    if vendor is None:
        return ""
    if snapshot.project.manifest.form != "app":
        return f"the form `{snapshot.project.manifest.form}` is not made with {vendor.name}"
    return (
        vendor.why_not(choice.target.chip, choice.target.libc)
        or (f"{NO_ARCH}: see edgepack targets {choice.target.id}" if choice.target.known_arch is None else "")
        or snapshot.here.lacking.get(vendor.id, "")
        or vendor.why_not_by(choice.toolchain, choice.target.libc)
        or ""
    )


def check_arch(snapshot: Snapshot, choice: Choice) -> None:
    """Raises InputError where a program is asked for, and nobody knows what to build it for.

    A runtime of edgepack's own program asks for one, and so does a toolchain that the manifest names.
    """
    is_ours = choice.runtime in snapshot.here.programs and choice.runtime not in VENDORS
    asks = choice.options.toolchain is not None or (is_ours and choice.part is None)
    if choice.target.known_arch is not None or not asks:
        return
    key = "toolchain" if choice.options.toolchain is not None else "runtime"
    line = snapshot.project.document.line(("targets", choice.target.id, key))
    named = choice.toolchain if key == "toolchain" else choice.runtime
    why = f"a program with {named} is compiled for one, and no source says which"
    raise choice.target.without_arch(f"edgepack.yaml:{line}", why)


def model_step(snapshot: Snapshot, choice: Choice, before: Mapping[str, Step]) -> Step:
    """Instead of a program: the converted model, in files, with its proof."""
    parity = before.get("parity")
    inputs = {"model": before["convert"].key, "parity": parity.key if parity else "none"}
    inputs["edgepack/package"] = snapshot.code["edgepack/package"]
    needs = tuple(step.id for step in (before["convert"], parity) if step)
    name = f"{snapshot.project.manifest.name}@{choice.target.id}/model"
    return make_step(snapshot, name, "model", inputs, needs)


def program_steps(
    snapshot: Snapshot,
    choice: Choice,
    before: Mapping[str, Step],
    parts: Mapping[str, Sequence[Step]] | None = None,
) -> dict[str, Step]:
    """runtime, compile, verify, and package or sdk; ``before``: the steps that prove the converted model.

    parts: those of each model beside the first one.
    """
    manifest = snapshot.project.manifest
    target = choice.target
    here = f"{manifest.name}@{target.id}"
    convert = before["convert"]
    # A bundle is not made of a model that was held to the trained one and did not pass.
    proven = (before["parity"].id,) if "parity" in before else ()
    runtime = _runtime_step(snapshot, choice, convert)
    glibc = glibc_of(snapshot.project, choice)
    libraries = library_steps(snapshot.libraries, manifest, choice, glibc, snapshot.results)
    keys = {slot: step.key for slot, step in libraries.items()}
    beside, others = _others(manifest, parts or {})
    compiled = make_step(
        snapshot,
        f"{here}/compile",
        "compile",
        {**_compile_inputs(snapshot, choice, convert, runtime), **keys, **others},
        (convert.id, runtime.id, *(step.id for step in (*libraries.values(), *beside))),
    )
    golden = manifest.model.golden
    # Needs are named though others have them too: with those cached, the order would be lost.
    verify = make_step(
        snapshot,
        f"{here}/verify",
        "verify",
        {
            "program": compiled.key,
            golden or "golden vectors": snapshot.files[golden] if golden else "none",
            "with": snapshot.here.qemu.get(target.arch, "nothing here runs it"),
        },
        # Parity first: where both would fail, it says in which stage and why.
        (convert.id, *proven, compiled.id),
    )
    last = "sdk" if manifest.form == "sdk" else "package"
    package = make_step(
        snapshot,
        f"{here}/{last}",
        last,
        {
            "program": compiled.key,
            golden or "golden vectors": snapshot.files[golden] if golden else "none",
            **_for_the_box(snapshot, choice),
            "edgepack/package": snapshot.code["edgepack/package"],
        },
        (convert.id, *proven, compiled.id, verify.id),
    )
    return {"runtime": runtime, **libraries, "compile": compiled, "verify": verify, last: package}


def _for_the_box(snapshot: Snapshot, choice: Choice) -> dict[str, str]:
    """What a release tells the deployer and the box, and its own scripts."""
    manifest = snapshot.project.manifest
    scripts = {
        f"hook {name}": digest_of([snapshot.files[hook.file], hook.timeout])
        for name, hook in manifest.hooks.named().items()
    }
    health = digest_of(manifest.health.model_dump(mode="json"))
    needs = digest_of(needs_of(choice))
    own = {**_licence(snapshot), **_encryption(snapshot)}
    return {"health": health, "needs of the box": needs, **scripts, **own}


def _others(
    manifest: Manifest, parts: Mapping[str, Sequence[Step]]
) -> tuple[tuple[Step, ...], dict[str, str]]:
    """What the program waits for of the models beside the first one, and what it depends on.

    Their parity too: no program is made of a model that did not pass.
    """
    steps = tuple(s for own in parts.values() for s in own if s.stage in ("convert", "parity"))
    inputs = {f"{step.stage} of {step.id.partition('/')[0]}": step.key for step in steps}
    if parts:
        inputs["models"] = digest_of([one.model_dump(mode="json") for one in manifest.models.values()])
    return steps, inputs


def glibc_of(project: Project, choice: Choice) -> str:
    """The glibc that the program links to; empty for one that is static.

    A partner's program has a libc of its own, and a library must share it; a static program cannot load a
    shared library. What a gcc links to is held to the target's when the program is there. Raises InputError
    for an sdk by another toolchain than zig.
    """
    sdk = project.manifest.form == "sdk"
    if not sdk and linkage(choice.runtime) == "static":
        return ""
    if choice.toolchain == "zig":
        return architecture(choice.target.arch).glibc
    if sdk:
        raise InputError(
            f"an sdk is not made with the toolchain {choice.toolchain}",
            where=f"edgepack.yaml:{project.document.line(('form',))}",
            why="it must load on systems older than this host's, and only zig can link to their glibc",
            fix="leave out `toolchain`, or take zig",
        )
    vendor = vendor_of(choice.runtime, choice.target.chip)
    return OWN_CPP if vendor and vendor.links else OWN_GLIBC


def _vendor_step(snapshot: Snapshot, choice: Choice) -> Step:
    """Raises InputError for a toolchain that cannot link to the target's libc."""
    vendor, target = vendor_of(choice.runtime, choice.target.chip), choice.target
    assert vendor is not None
    glibc_of(snapshot.project, choice)
    inputs = {"arch": target.arch, f"headers (sdk.{vendor.key})": snapshot.here.vendors[vendor.id]}
    return make_step(snapshot, f"{vendor.id}:{target.arch}", "runtime", inputs)


def _packaged_step(snapshot: Snapshot, choice: Choice) -> Step:
    """Raises InputError for a target that the library is not for, and a toolchain that cannot link to it."""
    target, document = choice.target, snapshot.project.document
    runtime = choice.runtime
    why = PACKAGED[runtime].why_not(target.arch, target.libc)
    if why is None and snapshot.project.manifest.form == "sdk":
        why = "the form `sdk` is made with ncnn only, which is linked into its library"
    if why is not None:
        message, place = (
            f"no program with {runtime} for {target.id}: {why}",
            ("targets", target.id, "runtime"),
        )
        hint = f"`{target.id}: {{runtime: ncnn}}`, which is static"
        raise document.wrong(document.problem(message, place, hint))
    glibc_of(snapshot.project, choice)
    files = snapshot.runtimes[PackagedSpec(runtime, target.arch)]
    inputs = {"arch": target.arch, "packages and toolchain": files}
    return make_step(snapshot, f"{runtime}:{target.arch}", "runtime", inputs)


def _runtime_step(snapshot: Snapshot, choice: Choice, convert: Step) -> Step:
    if choice.runtime in VENDORS:
        return _vendor_step(snapshot, choice)
    if choice.runtime in PACKAGED:
        return _packaged_step(snapshot, choice)
    tier = ncnn_layers.tier(snapshot.layers.get(convert.key, ()))
    target = choice.target
    glibc = glibc_of(snapshot.project, choice)
    spec = NcnnSpec(target.arch, target.cpu, tier, choice.toolchain, glibc=glibc)
    inputs = {
        "arch": target.arch,
        "cpu": target.cpu or "baseline",
        "layers": tier,
        "toolchain": choice.toolchain,
        "source, options and toolchain": snapshot.runtimes[spec],
    }
    cpu = f"+{target.cpu}" if target.cpu else ""
    linked = f":glibc-{glibc}" if glibc else ""
    name = f"{choice.runtime}:{target.arch}{cpu}:{label(choice.toolchain)}:{tier}{linked}"
    return make_step(snapshot, name, "runtime", inputs)


def _licence(snapshot: Snapshot) -> dict[str, str]:
    """Whose licences the program takes."""
    licence = snapshot.project.manifest.licence
    if licence is None:
        return {}
    keys = [snapshot.files[file] for _, file in licence.files()]
    return {"licence": digest_of([licence.model_dump(mode="json"), keys])}


def _encryption(snapshot: Snapshot) -> dict[str, str]:
    """With which key the models are packaged, and what a box's is bound to; not where it comes from."""
    said = snapshot.project.manifest.encryption
    return {"encryption": f"{said.id} {said.device}"} if said else {}


def _python(snapshot: Snapshot, choice: Choice) -> dict[str, str]:
    """What a program with steps in Python is made of besides."""
    said = snapshot.project.manifest.python
    if said is None:
        return {}
    # Packages are for the target's libc, also where the program itself is static.
    return {
        "python": digest_of(said.model_dump()),
        said.requirements: snapshot.files[said.requirements],
        "libc of the packages": choice.target.libc or DEFAULT_GLIBC,
    }


def _compile_inputs(snapshot: Snapshot, choice: Choice, convert: Step, runtime: Step) -> Mapping[str, str]:
    manifest = snapshot.project.manifest
    blocks = {
        "pre": [b.model_dump(mode="json") for b in manifest.pre],
        "post": [b.model_dump(mode="json") for b in manifest.post],
    }
    code = {block.code: snapshot.files[block.code] for block in (*manifest.pre, *manifest.post) if block.code}
    glibc = linkage(choice.runtime) != "static"
    templates = ["templates/program", *([f"templates/{manifest.form}"] if manifest.form != "app" else [])]
    service = {"service": digest_of(manifest.service.model_dump())} if manifest.form == "service" else {}
    return {
        "name and version": f"{manifest.name} {manifest.version}",
        "pre and post": digest_of(blocks),
        **code,
        "C and C++ files of the project": snapshot.sources,
        "source and sink": digest_of(
            [m.model_dump() for m in (manifest.source, *manifest.sinks, manifest.queue, manifest.watchdog)]
            + [manifest.metrics.model_dump() if manifest.metrics else None]
        ),
        **service,
        **_licence(snapshot),
        **({"encryption": "decrypted in memory"} if manifest.encryption else {}),
        **_python(snapshot, choice),
        "gates": digest_of(vars(gates_of(manifest, choice))),
        "threads": str(choice.options.threads),
        "target": choice.target.id,
        **({"glibc of the target": choice.target.libc or DEFAULT_GLIBC} if glibc else {}),
        **{name: snapshot.code[name] for name in templates},
        "edgepack/compile": snapshot.code["edgepack/compile"],
        "model": convert.key,
        "runtime": runtime.key,
    }
