from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgepack.box import script
from edgepack.tools.runner import command, run
from tests.box.boxsh import SHELLS, BoxSh, Failed, sha, shells, tar, until
from tests.releases import APP

RUNS = """#!/bin/sh
case $1 in
verify) echo '{"samples": 1}'; exit 0 ;;
esac
trap 'exit 0' TERM
echo "version $(cat "${0%/bin/*}/version")"
while :; do echo "{\\"pid\\": $$}" >"$3/status.json"; sleep 0.2 2>/dev/null || sleep 1; done
"""
DIES = "#!/bin/sh\necho no luck >&2\nexit 7\n"
DEAF = "#!/bin/sh\ntrap '' TERM\nwhile :; do sleep 1; done\n"


@pytest.fixture(params=shells())
def box(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BoxSh]:
    shell = SHELLS[request.param]
    box = BoxSh(tmp_path / "a root's $(name) * [x]", shell)
    yield box
    finish(box)


@pytest.fixture
def one(tmp_path: Path) -> Iterator[BoxSh]:
    """The same in one shell, for what does not hang on the shell."""
    box = BoxSh(tmp_path / "root")
    yield box
    finish(box)


def finish(box: BoxSh) -> None:
    shutil.rmtree(box.root / "lock", ignore_errors=True)
    if (box.root / "apps" / APP).is_dir():
        token = box.lock("finish")
        box("stop", token, APP)


def test_the_script_passes_shellcheck(tmp_path: Path) -> None:
    if not shutil.which("shellcheck"):
        pytest.skip("no shellcheck here")
    (tmp_path / "box.sh").write_bytes(script.text())
    done = run(command("shellcheck", "-s", "sh", tmp_path / "box.sh"))
    assert done.ok, done.text()


def test_a_script_that_came_only_in_part_does_nothing(tmp_path: Path) -> None:
    text = script.text()
    for end in range(0, len(text) - len('main "$@"\n'), len(text) // 7):
        done = run(command("sh", "-s", tmp_path / "root", "lock", "t", "o", stdin=text[:end]))
        assert b"edgepack-box" not in done.stdout
    assert not (tmp_path / "root").exists()


def test_probe_changes_nothing_and_says_what_the_box_is(box: BoxSh) -> None:
    stored = box.root.with_name("piped")
    lines = script.piped_text(b"")
    done = run(command(*box.shell, "-s", stored, "probe", APP, stdin=lines))
    assert done.ok, done.text()
    assert not stored.exists()
    facts = dict(line.partition(" ")[::2] for line in done.stdout.decode().splitlines())
    assert facts["folder"] == str(stored.parent)
    assert facts["writable"] == "yes"
    assert int(facts["disk_free_kb"]) > 0
    assert facts["machine"] == os.uname().machine


@pytest.mark.parametrize(
    ("emulator", "arch"),
    [
        ("/opt/bin/qemu-aarch64-static", "aarch64"),
        ("/opt/bin/qemu-arm", "armhf"),
        ("/opt/bin/qemu-riscv64", "riscv64"),
    ],
)
def test_a_sandbox_says_its_emulators_architecture(
    one: BoxSh, emulator: str, arch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEPACK_EMULATOR", emulator)
    facts = one.facts("probe", APP)
    assert (facts["arch"], facts["emulator"], facts["libc"]) == ([arch], [emulator], ["none"])


def test_what_comes_is_kept_only_when_its_sha256_is_right(box: BoxSh) -> None:
    token = box.lock()
    good, evil = b"weights" * 1000, b"other"
    store = box.root / "store"
    with pytest.raises(Failed, match="bad-digest"):
        box("receive", token, "plain", stdin=tar([good, evil], names=[sha(good), sha(good[1:])]))
    assert list(store.iterdir()) == []
    assert os.listdir(box.root / "incoming") == []
    assert box("receive", token, "gzip", stdin=gzip.compress(tar([good]))) == [f"received {sha(good)}"]
    assert (store / sha(good)).read_bytes() == good


def test_of_a_stream_that_was_cut_the_whole_files_stay(box: BoxSh) -> None:
    token = box.lock()
    files = [b"a" * 600, b"b" * 700, b"c" * 70_000]
    with pytest.raises(Failed, match="cut-off"):
        box("receive", token, "plain", stdin=tar(files)[:30_000])
    assert sorted(p.name for p in (box.root / "store").iterdir()) == sorted(map(sha, files[:2]))
    digests = "".join(f"{sha(data)}\n" for data in files)
    assert sorted(box.facts("probe", APP, stdin=digests.encode())["have"]) == sorted(map(sha, files[:2]))
    assert os.listdir(box.root / "incoming") == []


def test_a_file_that_went_bad_in_the_store_is_not_counted_on(one: BoxSh) -> None:
    token = one.lock()
    one("receive", token, "plain", stdin=tar([b"good"]))
    stored = one.root / "store" / sha(b"good")
    stored.write_bytes(b"goof")
    facts = one.facts("probe", APP, stdin=f"{sha(b'good')}\n".encode())
    assert (facts.get("have"), facts["damaged"]) == (None, [sha(b"good")])
    one("receive", token, "plain", stdin=tar([b"good"]))
    assert stored.read_bytes() == b"good"


def test_a_full_disk_leaves_nothing(one: BoxSh) -> None:
    """A limit on a file's size stands in for the disk: writing fails in the middle all the same."""
    token = one.lock()
    small = BoxSh(one.root, before=("sh", "-c", 'ulimit -f 64; exec "$@"', "sh"))
    with pytest.raises(Failed):
        small("receive", token, "plain", stdin=tar([os.urandom(200_000)]))
    assert os.listdir(one.root / "incoming") == []
    assert os.listdir(one.root / "store") == []


@pytest.mark.parametrize(
    ("noun", "arguments", "stdin"),
    [
        ("lock", ("../t", "o"), ""),
        ("lock", ("t;reboot", "o"), ""),
        ("stage", ("t", "../app", "0" * 64), ""),
        ("stage", ("t", APP, "../../x"), ""),
        ("stage", ("t", APP, "0" * 64), f"{'0' * 64} 0644 ../../../etc/passwd\n"),
        ("stage", ("t", APP, "0" * 64), f"{'0' * 64} 0644 /etc/passwd\n"),
        ("stage", ("t", APP, "0" * 64), f"{'0' * 64} 4755 bin/su\n"),
        ("stage", ("t", APP, "0" * 64), f"{'0' * 63}; 0644 x\n"),
        ("switch", ("t", APP, "0" * 64, "9; reboot"), ""),
        ("status", ("$(reboot)",), ""),
        ("logs", (APP, "../../etc/passwd", "1", "0"), ""),
        ("feed", (APP, "t", "../..", "x"), ""),
        ("guard", (APP, "t"), ""),
        ("rm", ("-rf", "/"), ""),
    ],
)
def test_values_that_are_no_plain_words_are_refused(
    one: BoxSh, noun: str, arguments: tuple[str, ...], stdin: str
) -> None:
    one.lock()
    before = sorted(p for p in one.root.rglob("*") if "lock" not in p.parts)
    if noun == "guard":
        one(noun, *arguments)
    else:
        with pytest.raises(Failed):
            one(noun, *arguments, stdin=stdin.encode())
    made = {p.name for p in set(one.root.rglob("*")) - set(before)}
    assert not made & {"passwd", "su", "x"}


def test_one_deployer_at_a_time(box: BoxSh) -> None:
    box.lock("first")
    with pytest.raises(Failed, match="tester@here:first"):
        box.lock("second")
    with pytest.raises(Failed, match="lost-lock"):
        box("unlock", "second")
    box("unlock", "first")
    box.lock("second")
    assert not [p for p in box.root.iterdir() if p.name.startswith("lock.")]


@pytest.mark.parametrize(
    ("until_", "ends"),
    [("{boot} 0", True), ("another-boot 99999999", True), ("{boot} 99999999999", True), ("garbage", True)],
)
def test_a_lock_ends_by_itself(one: BoxSh, until_: str, ends: bool) -> None:
    one.lock("dead")
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    (one.root / "lock" / "until").write_text(until_.format(boot=boot) + "\n")
    one.lock("next")
    with pytest.raises(Failed, match="lost-lock"):
        one("stop", "dead", APP)


def test_a_lock_that_a_power_cut_left_empty_is_told_in_whole_and_keeps_others_out(one: BoxSh) -> None:
    (one.root / "lock").mkdir(parents=True)
    for name in ("token", "owner", "since", "until"):
        (one.root / "lock" / name).touch()
    assert one("probe", APP)[-1] == "lock - 60 - unknown"
    with pytest.raises(Failed, match="locked"):
        one.lock("next")
    os.utime(one.root / "lock", (0, 0))
    one.lock("next")


def test_a_lock_whose_holder_is_known_to_be_dead_is_taken_over(one: BoxSh) -> None:
    one.lock("dead")
    with pytest.raises(Failed, match="locked"):
        one("lock", "next", "me", "another")
    one("lock", "next", "me", "dead")


def test_switch_confirm_and_back(box: BoxSh) -> None:
    token = box.lock()
    first, second = (box.install(token, RUNS, version) for version in "12")
    assert box("switch", token, APP, first, "60") == ["before -"]
    box("confirm", token, APP, first)
    assert until(lambda: box.program_pid() is not None)
    old = box.program_pid()
    assert box("switch", token, APP, second, "60") == [f"before {first}"]
    assert box.current() == second
    assert box.program_pid() != old
    assert not Path(f"/proc/{old}").exists()
    assert "unconfirmed" in box.facts("status", APP)
    assert box("back", token, APP, "why not") == [f"current {first}"]
    assert until(lambda: box.program_pid() is not None)
    assert box.facts("status", APP).get("unconfirmed") is None
    with pytest.raises(Failed, match="too-late"):
        box("confirm", token, APP, second)
    journal = (box.root / "journal").read_text()
    assert f"back {APP} {first} from {second}: why not" in journal


def test_unconfirmed_the_box_goes_back_by_itself(box: BoxSh) -> None:
    token = box.lock()
    first, second = (box.install(token, RUNS, version) for version in "12")
    box("switch", token, APP, first, "60")
    box("confirm", token, APP, first)
    box("switch", token, APP, second, "1")
    box("unlock", token)
    assert until(lambda: box.current() == first and box.program_pid() is not None)
    status = box.facts("status", APP)
    assert "unconfirmed" not in status
    assert status["program"][0].split()[2] == first


def test_without_an_older_release_going_back_ends_the_program(one: BoxSh) -> None:
    token = one.lock()
    first = one.install(token, RUNS)
    one("switch", token, APP, first, "60")
    assert until(lambda: one.program_pid() is not None)
    pid = one.program_pid()
    assert one("back", token, APP, "unhealthy") == ["current "]
    assert one.current() is None
    assert until(lambda: not Path(f"/proc/{pid}").exists())


@pytest.mark.parametrize("left", ["unconfirmed", "going-back", "confirmed"])
def test_what_a_power_cut_left_half_way_is_undone_or_finished(one: BoxSh, left: str) -> None:
    token = one.lock()
    first, second = (one.install(token, RUNS, version) for version in "12")
    one("switch", token, APP, first, "60")
    one("confirm", token, APP, first)
    one("switch", token, APP, second, "60")
    app = one.root / "apps" / APP
    (app / "unconfirmed").rename(app / left)
    (app / "current.new").symlink_to("nowhere")
    (app / "releases" / ("0" * 64 + ".tmp")).mkdir()
    one("unlock", token)
    token = one.lock("again")
    assert one.current() == (second if left == "confirmed" else first)
    assert (app / "previous").exists() == (left == "confirmed")
    assert sorted(p.name for p in app.iterdir() if p.name != "previous") == [
        "current",
        "data",
        "releases",
        "run",
    ]
    assert not list((app / "releases").glob("*.tmp"))


def test_a_release_that_was_being_replaced_comes_back(one: BoxSh) -> None:
    token = one.lock()
    first = one.install(token, RUNS)
    releases = one.root / "apps" / APP / "releases"
    (releases / first).rename(releases / f"{first}.old")
    one("unlock", token)
    one.lock("again")
    assert (releases / first / "bin" / APP).is_file()


def test_a_program_that_ends_is_started_again_more_and_more_slowly(box: BoxSh) -> None:
    token = box.lock()
    release = box.install(token, DIES)
    box("switch", token, APP, release, "60")
    box("confirm", token, APP, release)
    log = box.root / "apps" / APP / "data" / "log"
    assert until(lambda: log.exists() and log.read_text().count("no luck") >= 3)
    assert "ended with 7; again in 2 s" in log.read_text()
    assert box.facts("status", APP)["supervisor"] != [""]


def test_a_program_that_does_not_end_when_asked_is_ended(one: BoxSh) -> None:
    token = one.lock()
    release = one.install(token, DEAF)
    one("switch", token, APP, release, "60")
    assert until(lambda: one.program_pid() is not None)
    pid = one.program_pid()
    one("stop", token, APP)
    assert until(lambda: not Path(f"/proc/{pid}").exists(), 3)


def test_a_pid_of_another_process_is_not_taken_for_the_program(one: BoxSh) -> None:
    token = one.lock()
    one.install(token, RUNS)
    run_folder = one.root / "apps" / APP / "run"
    run_folder.mkdir()
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    (run_folder / "supervisor").write_text(f"{os.getpid()} {boot}\n")
    assert one.facts("status", APP)["supervisor"] == [""]
    one("stop", token, APP)  # and we live on


def test_only_what_some_release_needs_stays(one: BoxSh) -> None:
    token = one.lock()
    releases = [one.install(token, RUNS, version) for version in "1234"]
    folder = one.root / "apps" / APP / "releases"
    for n, release in enumerate(releases):
        os.utime(folder / f"{release}.list", (n, n))
    one("switch", token, APP, releases[0], "60")
    one("confirm", token, APP, releases[0])
    one("collect", token, APP, "2")
    assert sorted(p.name for p in folder.iterdir() if p.is_dir()) == sorted([releases[0], *releases[2:]])
    stored = {p.name for p in (one.root / "store").iterdir()}
    assert stored == {sha(RUNS.encode()), sha(b"1"), sha(b"3"), sha(b"4")}


def test_the_golden_vectors_program_is_ended_when_it_takes_too_long(one: BoxSh) -> None:
    token = one.lock()
    release = one.install(token, DEAF)
    lines = one("verify", token, APP, release, "1")
    assert lines[0] == "exit 124"


def test_the_log_stays_small(one: BoxSh) -> None:
    chatty = (
        "#!/bin/sh\ntrap 'exit 0' TERM\nhead -c 3000000 /dev/zero | tr '\\0' 'x'\nwhile :; do sleep 1; done\n"
    )
    token = one.lock()
    release = one.install(token, chatty)
    one("switch", token, APP, release, "60")
    data = one.root / "apps" / APP / "data"
    assert until((data / "log.1").exists, 30)
    assert until(lambda: (data / "log").stat().st_size < 100, 5)


def test_a_long_proof_keeps_the_lock(one: BoxSh) -> None:
    token = one.lock()
    until_ = one.root / "lock" / "until"
    release = one.install(token, f"#!/bin/sh\ncat '{until_}'\nsleep 12\ncat '{until_}'\n")
    _, first, second, *_ = one("verify", token, APP, release, "60")
    assert first.startswith("=")
    assert first != second
