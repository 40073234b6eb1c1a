from __future__ import annotations

from pathlib import Path

import pytest

from edgepack.tools import apt

ONE = "http://one.example/debian"
TWO = "https://two.example/debian-security"

SOURCES = {
    "one line": ({"sources.list": f"deb {ONE} bookworm main\ndeb-src {TWO} bookworm main\n"}, (ONE,)),
    "options, comments, a slash at the end": (
        {"sources.list": f"# deb {TWO} sid main\n deb [arch=amd64 trusted=no] {ONE}/ stable main\n"},
        (ONE,),
    ),
    "deb822": (
        {
            "sources.list.d/debian.sources": (
                f"Types: deb deb-src\n# a comment\nURIs: {ONE}\nSuites: trixie trixie-updates\n\n"
                f"Types: deb\nURIs:\n {TWO}\n {ONE}\nSuites: trixie-security\n"
            )
        },
        (ONE, TWO),
    ),
    "switched off": (
        {"sources.list.d/a.sources": f"Types: deb\nEnabled: no\nURIs: {ONE}\nSuites: sid\n"},
        (),
    ),
    "somebody else's archive": ({"sources.list": f"deb {ONE} nodistro main\n"}, ()),
    "no network address": ({"sources.list": "deb cdrom:[Debian]/ bookworm main\n"}, ()),
    "both kinds, in order": (
        {
            "sources.list": f"deb {TWO} bookworm-security main\n",
            "sources.list.d/b.list": f"deb {ONE} bookworm main\n",
            "sources.list.d/c.save": "deb http://old.example/debian bookworm main\n",
        },
        (TWO, ONE),
    ),
}


@pytest.mark.parametrize(("files", "expected"), SOURCES.values(), ids=SOURCES)
def test_the_hosts_own_archives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], expected: tuple[str, ...]
) -> None:
    monkeypatch.delenv("EDGEPACK_DEBIAN_MIRROR", raising=False)
    (tmp_path / "sources.list.d").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert apt.archives(tmp_path) == expected


def test_a_list_of_mirrors_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGEPACK_DEBIAN_MIRROR", raising=False)
    mirrors = tmp_path / "mirrors"
    mirrors.write_text(f"# nearest first\n{ONE}\tpriority:1\n{TWO}\n")
    (tmp_path / "sources.list").write_text(f"deb mirror+file://{mirrors} bookworm main\n")
    assert apt.archives(tmp_path) == (ONE, TWO)


def test_a_named_mirror_comes_instead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sources.list").write_text(f"deb {ONE} bookworm main\n")
    monkeypatch.setenv("EDGEPACK_DEBIAN_MIRROR", f"{TWO}/ file:/srv/debian")
    assert apt.archives(tmp_path) == (TWO, "file:/srv/debian")


def test_a_host_without_apt_names_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGEPACK_DEBIAN_MIRROR", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert apt.archives(tmp_path / "etc") == ()
    assert apt.proxy() == {}
    assert apt.indexed("qemu-user-static") == ()
