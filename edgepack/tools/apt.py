"""What the host's own apt is set to: its archives, its proxy, and the packages its index names.

Only read: nothing here needs root, writes to the system or refreshes apt's lists.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from edgepack.tools.debian import Package
from edgepack.tools.runner import command, run

ETC = Path("/etc/apt")

# An archive is worth asking for a Debian package if one of its suites is one of Debian's own.
_DEBIAN_SUITES = re.compile(
    r"^(bullseye|bookworm|trixie|forky|duke|sid|oldoldstable|oldstable|stable|testing|unstable)\b"
)
_ONE_LINE = re.compile(r"^deb\s+(?:\[[^\]]*\]\s*)?(?P<uri>\S+)\s+(?P<suite>\S+)")


def archives(etc: Path = ETC) -> tuple[str, ...]:
    """Base addresses of the Debian archives this host uses, in the order of its files.

    ``$EDGEPACK_DEBIAN_MIRROR`` (one address, or several with spaces between) comes instead of them.
    Reads ``sources.list`` and ``sources.list.d/*.list|*.sources`` (sources.list(5)); of
    ``mirror+file:`` addresses, the lines of the file they name.
    """
    named = os.environ.get("EDGEPACK_DEBIAN_MIRROR", "").split()
    found = named or [uri for uri, suite in _sources(etc) if _DEBIAN_SUITES.match(suite)]
    bases = (base.rstrip("/") for uri in found for base in _expanded(uri))
    return tuple(dict.fromkeys(b for b in bases if b.startswith(("http://", "https://", "file:/"))))


def proxy() -> dict[str, str]:
    """apt's own proxy for http and https (``Acquire::http::Proxy``), where one is set."""
    if shutil.which("apt-config") is None:
        return {}
    done = run(command("apt-config", "dump", timeout_s=20))
    pattern = r'^Acquire::(https?)::Proxy "([^"]+)";$'
    found = re.findall(pattern, done.stdout.decode("utf-8", "replace"), re.MULTILINE)
    return {scheme: address for scheme, address in found if address != "DIRECT"}


def indexed(*names: str) -> tuple[Package, ...]:
    """The self-contained packages of these names in apt's index, newest first.

    apt has checked the index against the archive's signature, so its SHA256 is as good as the
    user's trust in their own system. Packages with dependencies are left out: their programs
    would not run unpacked. Empty where there is no apt, or its lists were never fetched.
    """
    if shutil.which("apt-cache") is None or shutil.which("apt-get") is None:
        return ()
    done = run(command("apt-cache", "show", *names, timeout_s=60, env={"LC_ALL": "C"}))
    found = []
    for fields in stanzas(done.stdout.decode("utf-8", "replace")):
        if {"Package", "Version", "Filename", "Size", "SHA256"} - fields.keys():
            continue
        if "Depends" not in fields:
            found.append(_package(fields))
    return tuple(found)


def _package(fields: Mapping[str, str]) -> Package:
    name, version = fields["Package"], fields["Version"]
    asked = command("apt-get", "download", "--print-uris", f"{name}={version}", timeout_s=60)
    quoted = re.match(rb"'([^']+)'", run(asked).stdout)
    return Package(
        name=name,
        version=version,
        path=fields["Filename"],
        size=int(fields["Size"]),
        sha256=fields["SHA256"].lower(),
        source="the index of this host's own apt",
        url=quoted[1].decode() if quoted and quoted[1].startswith((b"http", b"file:")) else "",
    )


def _sources(etc: Path) -> Iterator[tuple[str, str]]:
    """(address, suite) of each enabled binary archive."""
    parts = sorted((etc / "sources.list.d").glob("*"))
    for file in [etc / "sources.list", *parts]:
        try:
            text = file.read_text("utf-8", "replace")
        except OSError:
            continue
        if file.suffix == ".list":
            for line in text.splitlines():
                if match := _ONE_LINE.match(line.strip()):
                    yield match["uri"], match["suite"]
        elif file.suffix == ".sources":
            yield from _deb822(text)


def _deb822(text: str) -> Iterator[tuple[str, str]]:
    for fields in stanzas(text):
        if "deb" not in fields.get("Types", "").split():
            continue
        if fields.get("Enabled", "yes").lower() in ("no", "false"):
            continue
        for uri in fields.get("URIs", "").split():
            for suite in fields.get("Suites", "").split():
                yield uri, suite


def stanzas(text: str) -> Iterator[dict[str, str]]:
    """The paragraphs of a deb822(5) file; a field's further lines are joined by newlines."""
    fields: dict[str, str] = {}
    last = ""
    for line in [*text.splitlines(), ""]:
        if line.startswith("#"):
            continue
        if not line.strip():
            if fields:
                yield fields
            fields, last = {}, ""
        elif line[0] in " \t":
            if last:
                fields[last] += "\n" + line.strip()
        elif ":" in line:
            last, value = line.split(":", 1)
            fields[last] = value.strip()


def _expanded(uri: str) -> Iterator[str]:
    """The address itself, or those in the list a ``mirror+file:`` address names."""
    if not uri.startswith("mirror+file:"):
        yield uri
        return
    try:
        lines = Path(uri.removeprefix("mirror+file:")).read_text("utf-8", "replace").splitlines()
    except OSError:
        return
    for line in lines:
        if line.strip() and not line.startswith("#"):
            yield line.split()[0]
