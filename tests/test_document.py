"""YAML documents: every bad line at once, with its number and a hint."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgepack import document
from edgepack.errors import InputError
from edgepack.manifest.project import Manifest

GOOD = """\
name: digits
version: "1.0"
model: {file: m.onnx}
targets: {x86_64: {}}
"""


def problems(text: str) -> list[tuple[int | None, str | None, str, str | None]]:
    try:
        document.load(Manifest, document.parse(text.encode(), Path("edgepack.yaml"), "edgepack.yaml"))
    except InputError as error:
        return [(p.line, p.path, p.message, p.hint) for p in error.problems]
    return []


def test_a_good_manifest_has_no_problems() -> None:
    assert problems(GOOD) == []


@pytest.mark.parametrize(
    ("text", "line", "path", "message", "hint"),
    [
        (GOOD + "sorce: {}\n", 5, "sorce", "unknown key `sorce`", "did you mean `source`?"),
        (GOOD.replace("file:", "fiel:"), 3, "model.fiel", "unknown key `fiel`", "did you mean `file`?"),
        (GOOD.replace('"1.0"', "1.0"), 2, "version", "this must be text", None),
        (GOOD.replace("name: digits\n", ""), 1, "name", "`name` is missing", None),
        (GOOD.replace("digits", "Digits"), 1, "name", "lower-case letters", None),
        (GOOD.replace("m.onnx", "../m.onnx"), 3, "model.file", "stay inside the project", None),
        (GOOD.replace("{x86_64: {}}", "{}"), 4, "targets", "at least 1 item", None),
        (
            GOOD.replace("x86_64: {}", "x86_64: {presicion: fp16}"),
            4,
            "targets.x86_64.presicion",
            "unknown key `presicion`",
            "did you mean `precision`?",
        ),
        (
            GOOD.replace("x86_64: {}", "x86_64: {precision: int3}"),
            4,
            "targets.x86_64.precision",
            "this must be 'fp32', 'fp16',",
            None,
        ),
        (GOOD + "name: twice\n", 5, "name", "`name` stands twice; the first one is on line 1", None),
        (
            GOOD + "pre:\n  - {resize: {size: [1, 1]}, code: a.cpp, entry: f}\n",
            6,
            "pre[0]",
            "exactly one of",
            None,
        ),
        (GOOD + "pre:\n  - {code: a.cpp}\n", 6, "pre[0]", "go together", None),
        (GOOD + "pre:\n  - normalize: {mean: [1.0], std: [0.0]}\n", 6, "pre[0].normalize", "divides", None),
        (GOOD + "post:\n  - {code: a.cpp, entry: 'a b'}\n", 6, "post[0].entry", "C++ function", None),
        (GOOD + "a: &a [*a]\n", 5, "a[0]", "multiplies itself", None),
        (GOOD + "a: !!python/object:os.system x\n", 5, "a", "is not allowed", None),
        ("- a\n- b\n", 1, None, "should be a mapping", None),
        ("name: [\n", 2, None, "", None),
        ("a:\n\t- b\n", 2, None, "", "tabs cannot indent YAML"),
    ],
)
def test_one_bad_line_is_named(
    text: str, line: int, path: str | None, message: str, hint: str | None
) -> None:
    found = problems(text)
    assert len(found) == 1, found
    assert found[0][0] == line
    assert found[0][1] == path
    assert message in found[0][2]
    assert found[0][3] == hint or (hint is None)


def test_all_problems_come_at_once_in_the_order_of_their_lines() -> None:
    text = "name: A\nversion: 1\nmodle: {}\ntargets: {x86_64: {treads: 1}}\n"
    assert [line for line, *_ in problems(text)] == [1, 2, 3, 4]


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no edgepack\.yaml"):
        document.read(tmp_path / "edgepack.yaml")
    (tmp_path / "big.yaml").write_bytes(b"#" * (document.MAX_BYTES + 1))
    with pytest.raises(InputError, match="too large"):
        document.read(tmp_path / "big.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"name: x\nb: \xff\n")
    with pytest.raises(InputError) as caught:
        document.read(tmp_path / "latin.yaml")
    assert caught.value.problems[0].line == 2


def test_aliases_cannot_multiply() -> None:
    bomb = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 9))
    assert any("multiplies itself" in message for _, _, message, _ in problems(bomb))


@given(st.binary(max_size=200))
def test_any_bytes_end_in_data_or_in_one_error(raw: bytes) -> None:
    with contextlib.suppress(InputError):
        assert document.parse(raw, Path("x"), "x").file == Path("x")
