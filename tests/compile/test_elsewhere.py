"""A gcc in a container or on a node: what it is found to be, and what is said where there is none.

The engines themselves are in tests/lab; here one stands in that runs the words on this host.
"""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from pathlib import Path

import pytest

from edgepack.catalog.architectures import architecture
from edgepack.catalog.toolchains import Elsewhere
from edgepack.compile.toolchains import container, elsewhere, node, node_files, told
from edgepack.compile.toolchains.elsewhere import Wanted
from edgepack.compile.toolchains.select import opened
from edgepack.compile.toolchains.site import Site
from edgepack.errors import EdgepackError, InputError, ToolError
from edgepack.manifest import project as manifest
from edgepack.tools.qemu import host_arch
from edgepack.tools.runner import command, run

HERE = elsewhere.Place("the image x", "take another")
WORD = Elsewhere("container", "x")
SAID = {
    "cc": "gcc", "cxx": "g++", "ar": "ar", "ranlib": "ranlib", "version": "12.2.0",
    "machine": "aarch64-linux-gnu", "said": "gcc 12.2.0", "glibc": "2.36", "headers": "yes",
    "libc.a": "1 2", "libstdc++.a": "3 4", "libgcc.a": "5 6", "libgomp.a": "7 8", "rcrt1.o": "9 9",
}  # fmt: skip


def facts(changes: dict[str, str], glibc: str = "") -> elsewhere.Facts:
    said = "\n".join(f"{key}={value}" for key, value in {**SAID, **changes}.items() if value)
    return elsewhere.facts(said, Wanted(WORD, architecture("aarch64"), None, glibc), HERE)


def test_what_it_says_is_what_it_is() -> None:
    found = facts({"cc": "aarch64-v-linux-gcc --sysroot=/opt/v", "machine": "aarch64-v-linux"})
    assert found.cc == ("aarch64-v-linux-gcc", "--sysroot=/opt/v")
    assert found.identity.startswith("gcc-12.2.0-glibc-2.36-")
    assert found.static_pie
    assert not facts({"rcrt1.o": ""}).static_pie
    facts({"libc.a": "", "libgomp.a": ""}, glibc="its own")  # what is linked to a glibc takes neither


@pytest.mark.parametrize("part", ["version", "said", "libc.a", "libstdc++.a", "glibc"])
def test_another_release_or_library_is_another_identity(part: str) -> None:
    other = {"version": "12.2.1", "glibc": "2.37"}.get(part, "other")
    assert facts({part: other}).identity != facts({}).identity


REFUSED: dict[str, tuple[dict[str, str], str]] = {
    "no compiler": ({"cc": ""}, "no gcc for aarch64"),
    "no g++": ({"cxx": ""}, r"no g\+\+ beside gcc"),
    "no ar": ({"ar": ""}, "no ar beside gcc"),
    "clang": ({"cc": "clang"}, "no gcc beside clang"),
    "another processor": ({"machine": "x86_64-linux-gnu"}, "gcc is for x86_64-linux-gnu, not for aarch64"),
    "bare metal": ({"machine": "aarch64-none-elf"}, "not for aarch64"),
    "musl": ({"machine": "aarch64-alpine-linux-musl", "glibc": "."}, "no headers of glibc"),
    "too old": ({"version": "7.5.0"}, "gcc 7.5.0 is too old"),
    "no version": ({"version": ""}, "too old"),
    "no headers of C++": ({"headers": ""}, r"no header of C\+\+"),
    "no static C library": ({"libc.a": ""}, r"no libc\.a"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_one_that_cannot_compile_our_programs_is_refused_in_words(case: str) -> None:
    changes, words = REFUSED[case]
    with pytest.raises(ToolError, match=words) as refused:
        facts(changes)
    assert refused.value.where == "the image x"
    assert refused.value.fix.startswith("take another")


@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no gcc on this host")
def test_the_script_asks_a_real_gcc() -> None:
    wanted = Wanted(WORD, architecture(host_arch()), None, "its own")
    env = dict(elsewhere.asked(WORD, wanted.arch))
    said = run(command("sh", "-c", elsewhere.PROBE, env=env)).stdout.decode()
    found = elsewhere.facts(said, wanted, HERE)
    assert found.version == run(command("gcc", "-dumpfullversion")).stdout.decode().strip()
    again = run(command("sh", "-c", elsewhere.PROBE, env={**env, "GCC": "no-such-gcc"})).stdout.decode()
    with pytest.raises(ToolError, match="no gcc"):
        elsewhere.facts(again, wanted, HERE)


# An engine that runs the words of `exec` on this host, and of `run` the container's own script.
ENGINE = """\
#!/bin/sh
echo "$*" >>"$0.calls"
case $1 in
image) [ "$5" = there ] && echo {digest} || {{ echo "Error: $5: image not known" >&2; exit 125; }} ;;
run) while [ "$1" != -c ]; do shift; done; exec sh -c "$2" ;;
exec) while [ "$1" != sh ] && [ "$1" != cat ]; do case $1 in *=*) export "$1" ;; esac; shift; done
  PATH={tools}; export PATH; exec "$@" ;;
esac
"""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """PATH: a folder with what a shell needs, and no compiler."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "cat", "sed", "head", "cksum", "env"):
        (folder / name).symlink_to(str(shutil.which(name)))
    monkeypatch.setenv("PATH", str(folder))
    return folder


def with_engine(path: Path, name: str = "podman") -> Path:
    engine = path / name
    engine.write_text(ENGINE.format(digest="a" * 64, tools=path))
    engine.chmod(0o755)
    return engine


def compiled_in(image: str, folder: Path, identity: str = "") -> None:
    word = str(Elsewhere("container", image, "", identity))
    with opened(word, "aarch64", Site((folder / "build",))):
        raise AssertionError("it was opened")


def test_without_an_engine_one_is_to_be_installed(path: Path, tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="no container engine for the image there") as refused:
        compiled_in("there", tmp_path)
    assert "apt-get install podman" in refused.value.fix
    assert container.identity("there") == "absent"


def test_an_image_that_is_not_here_is_not_pulled(path: Path, tmp_path: Path) -> None:
    engine = with_engine(path)
    with pytest.raises(ToolError, match="no image vendor/sdk:2 here") as refused:
        compiled_in("vendor/sdk:2", tmp_path)
    assert "podman: Error: vendor/sdk:2: image not known" in refused.value.why
    assert "podman pull vendor/sdk:2" in refused.value.fix
    assert "pull" not in Path(f"{engine}.calls").read_text()


def test_an_image_without_a_compiler_is_refused_and_its_container_ended(path: Path, tmp_path: Path) -> None:
    engine = with_engine(path, "docker")
    with pytest.raises(ToolError, match="no gcc for aarch64") as refused:
        compiled_in("there", tmp_path)
    assert refused.value.where == "the image there"
    (started,) = [
        line for line in Path(f"{engine}.calls").read_text().splitlines() if line.startswith("run ")
    ]
    for word in (
        "--network=none",
        "--read-only",
        "--pull=never",
        "--cap-drop=ALL",
        "--rm",
        f"sha256:{'a' * 64}",
    ):
        assert word in started.split()


def test_an_image_that_was_changed_since_the_plan_is_refused(path: Path, tmp_path: Path) -> None:
    with_engine(path)
    assert container.identity("there") == f"sha256:{'a' * 64}"
    with pytest.raises(ToolError, match="another one than when the build was planned"):
        compiled_in("there", tmp_path, f"sha256:{'b' * 64}")


def test_a_folder_that_cannot_be_mounted_is_told(path: Path, tmp_path: Path) -> None:
    with_engine(path)
    with pytest.raises(ToolError, match="with a comma"):
        compiled_in("there", tmp_path / "a,b")


def test_only_what_is_written_is_mounted_writable(tmp_path: Path) -> None:
    runtime, headers = tmp_path / "runtime", tmp_path / "vendor's headers"
    (runtime / "include").mkdir(parents=True)
    headers.mkdir()
    (runtime / "include" / "acl").symlink_to(headers)
    site = Site((tmp_path / "project" / "build",), (runtime,), tmp_path / "project")
    words = container.mounts(site)
    ways = {word.split(",")[1].removeprefix("source="): word.endswith(",readonly") for word in words[1::2]}
    assert ways == {
        str(tmp_path / "project"): True,
        str(runtime): True,
        str(headers): True,
        str(tmp_path / "project" / "build"): False,
    }


def mirror(tmp_path: Path) -> node_files.Mirror:
    site = Site((tmp_path / "p" / "build",), (tmp_path / "ncnn",), tmp_path / "p")
    return node_files.Mirror(site, "/var/tmp/edgepack-1", lambda _chunks: None)


def test_words_name_the_same_files_there(tmp_path: Path) -> None:
    top, here = "/var/tmp/edgepack-1", str(tmp_path)
    for given, there in {
        "gcc": "gcc",
        "-O2": "-O2",
        "a/b.cpp": "a/b.cpp",
        f"{here}/p/post.cpp": f"{top}{here}/p/post.cpp",
        f"-I{here}/ncnn/src": f"-I{top}{here}/ncnn/src",
        f"-ffile-prefix-map={here}/p=/user": f"-ffile-prefix-map={top}{here}/p=/user",
        f"-ffile-prefix-map={here}/p/build=/build": f"-ffile-prefix-map={top}{here}/p/build=/build",
        "/usr/include/x.h": "/usr/include/x.h",
        f"{here}/pq/x.h": f"{here}/pq/x.h",
        f"{here}/ncnn": f"{top}{here}/ncnn",
    }.items():
        assert mirror(tmp_path).words([given]) == [there]
    assert mirror(tmp_path).here(f"{top}{here}/p/post.cpp:1: error") == f"{here}/p/post.cpp:1: error"


CALLS: dict[str, list[str]] = {
    "gcc -c a.cpp -o x/a.o -MD -MT x -MF x/a.o.d": ["x/a.o", "x/a.o.d"],
    "ar qc libncnn.a a.o b.o": ["libncnn.a"],
    "ranlib libncnn.a": ["libncnn.a"],
    "g++ a.o libncnn.a -o bin/digits": ["bin/digits"],
    "gcc -c CMakeCCompilerId.c": ["CMakeCCompilerId.o", "a.out"],
    "gcc -E x.cpp -o /dev/null": [],
}


@pytest.mark.parametrize("call", CALLS)
def test_what_a_call_makes_is_known_before(call: str, tmp_path: Path) -> None:
    assert node_files.outputs(call.split(), tmp_path) == [tmp_path / name for name in CALLS[call]]


def packed(files: dict[str, bytes], kind: bytes = tarfile.REGTYPE) -> io.BytesIO:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.size, entry.linkname = kind, len(content), "/etc/passwd"
            tar.addfile(entry, io.BytesIO(content))
    stream.seek(0)
    return stream


def test_a_node_writes_nothing_that_it_was_not_to_make(tmp_path: Path) -> None:
    wanted = tmp_path / "p" / "build" / "a.o"
    below = str(wanted).lstrip("/")
    other = str(tmp_path / "p" / "edgepack.yaml").lstrip("/")
    files = {below: b"object", other: b"evil", f"../{other}": b"evil", ".edgepack/1.status": b"0\n"}
    said = mirror(tmp_path).take(packed(files), [wanted])
    assert said[".status"] == b"0\n"
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [wanted]
    mirror(tmp_path).take(packed({below: b""}, tarfile.SYMTYPE), [wanted])
    assert wanted.read_bytes() == b"object", "a link is no object"


def test_a_node_cannot_fill_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_files, "MOST_BYTES", 3)
    with pytest.raises(ValueError, match="it sent more"):
        mirror(tmp_path).take(packed({"a": b"1234"}), [])


def test_a_node_is_one_of_the_fleet_and_no_sandbox(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no node `edge-01`"):
        node.endpoint("edge-01", tmp_path)
    nodes = {"edge-01": {"target": "x86_64", "address": "sandbox"}}
    (tmp_path / "fleet.yaml").write_text(json.dumps({"nodes": nodes}))
    with pytest.raises(InputError, match="this host's own compiler"):
        node.endpoint("edge-01", tmp_path)


DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits"


def project(folder: Path, toolchain: str) -> manifest.Project:
    shutil.copytree(DIGITS, folder, ignore=shutil.ignore_patterns(".edgepack", "dist", "train"))
    text = (folder / "edgepack.yaml").read_text()
    (folder / "edgepack.yaml").write_text(text.replace("x86_64: {}", f"x86_64: {{toolchain: {toolchain}}}"))
    return manifest.load(folder)


def test_a_plan_has_what_the_lock_says_of_a_node(tmp_path: Path) -> None:
    given = project(tmp_path / "digits", "{node: edge-01}")
    assert told.told(given, ("x86_64", "aarch64")) == {}, "one that was never asked"
    lock = tmp_path / "digits" / "toolchain.lock.json"
    lock.write_text(json.dumps({told.LOCK: 1, "nodes": {"node:edge-01": {"identity": "gcc-1"}}}))
    assert told.told(given, ("x86_64",)) == {"node:edge-01": "node:edge-01=gcc-1"}
    told.record(given, ("x86_64",))  # asks nobody: there is no fleet.yaml here
    for text in ("{", "[]", '{"nodes": {"a": {}}}', json.dumps({told.LOCK: 2, "nodes": {}})):
        lock.write_text(text)
        with pytest.raises(InputError, match=r"toolchain\.lock\.json cannot be read"):
            told.told(given, ("x86_64",))


MISTAKES = {
    "{container: 5}": "YAML reads 5 as a value",
    '{container: "a b"}': "this must be an image",
    "{contaner: a}": "unknown key `contaner`",
    "{container: a, node: b}": "unknown key `node`",
    "{container: a, gcc: clang}": "must be a C compiler",
    '{container: a, gcc: "x=y/gcc"}': "must be a C compiler",
    "{node: x y}": "a node's name",
    "{node: a, sysroot: /x}": "unknown key `sysroot`",
    "clang": "this must be 'zig' or 'gcc'",
    "[]": "this must be 'zig' or 'gcc'",
    "{}": "`gcc` is missing",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_in_the_manifest_is_one_problem(text: str, tmp_path: Path) -> None:
    with pytest.raises(EdgepackError) as refused:
        project(tmp_path / "digits", text)
    (problem,) = refused.value.problems
    assert MISTAKES[text] in problem.message
