"""A kustomize overlay → the objects that it makes: by kustomize, since overlays are the user's."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from edgepack.containers import checks, text
from edgepack.errors import InputError, ToolError
from edgepack.tools import runner

Object = dict[str, Any]
KUSTOMIZATION = "kustomization.yaml"
_OURS = {"apiVersion", "kind", "namespace", "resources", "patches"}
_SECONDS, _MAX_BYTES = 120.0, 32 << 20
_CLUSTER_WIDE = {"Namespace"}  # of the kinds that edgepack writes
_SCALARS = (str, int, float, bool, type(None))


def objects(folder: Path) -> list[Object]:
    """Everything that the overlay makes, checked. Raises InputError, ToolError."""
    program = kustomize()
    found = _by_kustomize(program, folder) if program else list(_by_hand(folder))
    if not found:
        raise InputError("the overlay makes no object", where=str(folder))
    for one in found:
        _has_form(one, folder)
    return found


def held(found: Sequence[Object], folder: Path) -> list[Object]:
    """The same, once our own checks hold too. Raises InputError with everything that is wrong."""
    volumes = [volume for one in found for volume in _volumes(one)]
    named = [str(volume["secret"].get("secretName")) for volume in volumes if "secret" in volume]
    try:
        wrong = list(checks.wrong(found, named))
    except (KeyError, TypeError, AttributeError) as error:
        wrong = [f"an object has not the form that Kubernetes gives it: {type(error).__name__} {error}"]
    if wrong:
        raise InputError(
            "Kubernetes would not take these objects, or they would do nothing",
            where=str(folder),
            detail="\n".join(wrong),
            fix="correct the overlay, or what is exported; nothing was sent",
        )
    return list(found)


def secrets(found: Sequence[Object]) -> list[tuple[str, str]]:
    """Namespace and name of each Secret that a pod wants and the overlay does not make."""
    made = {
        (one["metadata"].get("namespace"), one["metadata"]["name"])
        for one in found
        if one["kind"] == "Secret"
    }
    wanted = [
        (str(one["metadata"].get("namespace")), str(volume["secret"].get("secretName")))
        for one in found
        for volume in _volumes(one)
        if "secret" in volume and not volume["secret"].get("optional")
    ]
    return [one for one in dict.fromkeys(wanted) if one not in made]


def _volumes(one: Object) -> list[Any]:
    try:
        return [v for v in one["spec"]["template"]["spec"].get("volumes") or () if isinstance(v, dict)]
    except (KeyError, TypeError, AttributeError):
        return []


def kustomize() -> tuple[str, ...]:
    """The program that puts overlays together; nothing where there is none."""
    if program := shutil.which("kustomize"):
        return (program, "build")
    if program := shutil.which("kubectl"):
        return (program, "kustomize")
    return ()


def _by_kustomize(program: tuple[str, ...], folder: Path) -> list[Object]:
    done = runner.run(runner.command(*program, folder, timeout_s=_SECONDS))
    if not done.ok:
        why = f"it took more than {_SECONDS:.0f} s" if done.timed_out else ""
        words = done.stderr.decode("utf-8", "replace").strip()[-2000:]
        said = " ".join([Path(program[0]).name, *program[1:]])
        raise InputError(f"{said} does not take the overlay", where=str(folder), why=why, detail=words)
    return [one for one in _parsed(done.stdout, folder) if one is not None]


def _parsed(raw: bytes, file: Path) -> list[Any]:
    if len(raw) > _MAX_BYTES:
        raise InputError(f"that is more than {_MAX_BYTES >> 20} MiB of objects", where=str(file))
    try:
        return list(yaml.safe_load_all(raw))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError("this is not YAML", where=str(file), why=str(error)[:300]) from None


def _has_form(one: Any, folder: Path) -> None:
    try:
        good = all(
            isinstance(word, str) and word
            for word in (one["apiVersion"], one["kind"], one["metadata"]["name"])
        ) and isinstance(one["metadata"].get("namespace", ""), str)
    except (KeyError, TypeError, AttributeError):
        good = False
    if not good or not _plain(one):
        raise InputError(
            "the overlay makes something that is no object",
            where=str(folder),
            why="one has `apiVersion`, `kind` and `metadata.name`, and text, numbers, lists and maps alone",
        )


def _plain(value: Any) -> bool:
    """Only what JSON has: a date without quotes, say, would go out as something else."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and _plain(item) for key, item in value.items())
    return all(map(_plain, value)) if isinstance(value, list) else isinstance(value, _SCALARS)


# ---- without kustomize: what edgepack itself wrote, and an overlay that adds nothing to it


def _by_hand(folder: Path) -> Iterator[Object]:
    known = _kustomization(folder)
    if set(known) - {"apiVersion", "kind", "resources"} or len(known.get("resources") or ()) != 1:
        raise ToolError(
            "neither kustomize nor kubectl is here",
            where=str(folder / KUSTOMIZATION),
            why="this overlay says more than edgepack wrote there, and only they put that together",
            fix="install kubectl or kustomize, and try again",
        )
    yield from _below(_child(folder, known["resources"][0]))


def _below(folder: Path) -> Iterator[Object]:
    """``sites/NAME`` or ``base``, as edgepack writes them and nobody else."""
    file = folder / KUSTOMIZATION
    known = _kustomization(folder)
    if not file.read_text(errors="replace").startswith(text.MADE) or set(known) - _OURS:
        raise ToolError(
            "neither kustomize nor kubectl is here",
            where=str(file),
            why="edgepack did not write this, and only they put it together",
            fix="install kubectl or kustomize, or write it anew: edgepack export kubernetes",
        )
    patches = [_one(folder / str(patch["path"])) for patch in known.get("patches", ())]
    for name in known["resources"]:
        inner = _child(folder, name)
        found = _below(inner) if inner.is_dir() else iter([_one(inner)])
        for one in found:
            for patch in patches:
                if all(patch[key] == one[key] for key in ("apiVersion", "kind")) and (
                    patch["metadata"]["name"] == one["metadata"]["name"]
                ):
                    one = _merged(one, patch)
            yield _in_namespace(one, known.get("namespace"))


def _merged(one: Any, patch: Any) -> Any:
    if not isinstance(one, dict) or not isinstance(patch, dict):
        return patch
    return one | {key: _merged(one.get(key), value) for key, value in patch.items()}


def _in_namespace(one: Object, namespace: str | None) -> Object:
    if namespace is None:
        return one
    key = "name" if one["kind"] in _CLUSTER_WIDE else "namespace"
    return one | {"metadata": one["metadata"] | {key: namespace}}


def _child(folder: Path, name: Any) -> Path:
    return (folder / str(name)).resolve()


def _kustomization(folder: Path) -> Object:
    return _one(folder / KUSTOMIZATION)


def _one(file: Path) -> Object:
    try:
        (one,) = _parsed(file.read_bytes(), file)
    except OSError as error:
        raise InputError(
            f"{file.name} is not there",
            where=str(file),
            why=error.strerror or "",
            fix="edgepack export kubernetes",
        ) from None
    except ValueError:
        one = None
    if not isinstance(one, dict):
        raise InputError("this is not one YAML document with keys", where=str(file))
    return one
