"""A log as people see it: what a box says is not trusted, and what has no symbols says so once."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgepack.debug.crashes import Told

ID = "7d30563b847aeb87cbe291f2124482a525331a45"
BEGIN = f"crash: begin build-id={ID} signal=SIGSEGV number=11 code=1 address=0x0 thread=99"


def shown(*lines: str, file: Path | None = None) -> list[str]:
    told = Told(lambda _: file, "bring them")
    return [each for line in lines for each in told.lines(line)]


def test_symbols_that_are_not_here_are_one_sentence_with_the_build_id() -> None:
    crash = [BEGIN, "crash: frame program+0x12", "crash: frame program+0x13", "crash: end"]
    sentence = f"edgepack: the symbols of build-id {ID} are not here; bring them"
    assert shown(*crash, *crash) == [BEGIN, sentence, *crash[1:], *crash]


def test_a_file_that_is_no_debug_file_is_told_and_hides_nothing(tmp_path: Path) -> None:
    junk = tmp_path / "junk.debug"
    junk.write_bytes(b"\x7fELF" + bytes(range(256)))
    first, second, third = shown(BEGIN, "crash: frame program+0x12", file=junk)
    assert (first, third) == (BEGIN, "crash: frame program+0x12")
    assert second.startswith(f"edgepack: the symbols of build-id {ID} cannot be read: junk.debug: ")


HOSTILE = {
    "a folder for a build-id": BEGIN.replace(ID, "../../../../etc"),
    "capitals": BEGIN.replace(ID, ID.upper()),
    "a short one": BEGIN.replace(ID, "7d"),
    "a long one": BEGIN.replace(ID, ID * 8),
    "another signal": BEGIN.replace("SIGSEGV", "SIG" + "A" * 100),
    "a number without an end": BEGIN.replace("thread=99", "thread=" + "9" * 5000),
    "an address of 80 bits": BEGIN.replace("0x0", "0x" + "f" * 20),
    "digits of another script": BEGIN.replace("99", "٩٩"),
    "more behind it": BEGIN + " x",
}


@pytest.mark.parametrize("line", HOSTILE.values(), ids=list(HOSTILE))
def test_a_beginning_of_another_form_asks_for_no_symbols(line: str) -> None:
    def find(build_id: str) -> Path | None:
        raise AssertionError(build_id)

    told = Told(find, "")
    assert list(told.lines(line)) == [line]
    frame = "crash: frame program+0x" + "f" * 16
    assert list(told.lines(frame)) == [frame]
    longer = "crash: frame program+0x" + "f" * 5000
    assert list(told.lines(longer)) == [longer]


def test_a_program_without_a_build_id_says_so() -> None:
    _, sentence = shown(BEGIN.replace(ID, ""))
    assert sentence == "edgepack: this program bears no build-id, so its symbols cannot be found"


def test_what_would_move_the_cursor_is_shown_as_what_it_is() -> None:
    assert shown("\x1b[2Jgone\r\x07", "a\tb", "ok \u202e ko", "naïve 例") == [
        "\\x1b[2Jgone\\r\\x07",
        "a\tb",
        "ok \\u202e ko",
        "naïve 例",
    ]


def test_a_frame_before_any_beginning_is_shown_as_it_is() -> None:
    assert shown("crash: frame program+0x12", "crash: end") == ["crash: frame program+0x12", "crash: end"]


def test_endless_beginnings_are_not_looked_for_without_end() -> None:
    asked: list[str] = []

    def find(build_id: str) -> Path | None:
        asked.append(build_id)
        return None

    told = Told(find, "")
    lines = [BEGIN.replace(ID, f"{number:040x}") for number in range(1000)]
    assert [each for line in lines for each in told.lines(line) if each.startswith("crash")] == lines
    assert len(asked) == len(set(asked)) == 16
