"""What does not go together is told with the line that it is about, all of it at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgepack import document
from edgepack.errors import InputError
from edgepack.manifest.project import Manifest

PYTHON = "python:\n  version: '3.11'\n  requirements: r.txt\n"
HEAD = "name: x\nversion: 1.0.0\nmodel: {file: m.onnx}\ntargets:\n  x86_64: {}\n"
FFMPEG = "source:\n  kind: ffmpeg\n  input: a.mp4\n"
HTTP = "source:\n  kind: http\n  port: 9100\n"

# What follows HEAD; the text of each line that is named, and what is said of it.
WRONG: dict[str, tuple[str, dict[str, str]]] = {
    "a decoder for a target that is none": (
        f"{FFMPEG}  decoders:\n    x86_64: h264_cuvid\n    rk3588: h264_rkmpp\n",
        {"    rk3588: h264_rkmpp": "source.decoders names rk3588"},
    ),
    "Python without its section": (
        "post:\n  - softmax: {}\n  - code: post.py\n    entry: decode\n",
        {"  - code: post.py": "post.py is Python: it goes with"},
    ),
    "Python in another form": (
        f"form: service\npre:\n  - {{code: a.py, entry: b}}\n{PYTHON}",
        {"  - {code: a.py, entry: b}": "a.py is Python: it goes with `form: app`"},
    ),
    "a section without Python": (
        PYTHON, {"python:": "`python` goes with a `code: ….py`"},
    ),
    "a wrong version of Python": (
        PYTHON.replace("3.11", "2.7"), {"  version: '2.7'": "this must be like `3.11`"},
    ),
    "one port twice": (
        f"{HTTP}metrics:\n  port: 9100\n", {"  port: 9100": "metrics.port and source.port must be different"},
    ),
    "health without metrics": (
        "health:\n  timeout: 9\n  metrics: true\n", {"  metrics: true": "asks what `metrics` answers"},
    ),
    "one path twice": (
        "sink:\n  - {kind: jsonl, path: a}\n  - {kind: samples, path: a, keep_mb: 9, when: {every: 1}}\n",
        {"  - {kind: samples, path: a, keep_mb: 9, when: {every: 1}}": "two sinks have the same path"},
    ),
    "the source's path": (
        "source: {path: in}\nsink:\n  kind: jsonl\n  path: in\n",
        {"  path: in": "source.path and sink.path must be different"},
    ),
    "a format that is not read": (
        "sink:\n  - kind: jsonl\n  - kind: pictures\n    keep_mb: 9\n    format: png\n",
        {"  - kind: pictures": "a sink writes png: add it to source.formats"},
    ),
    "nobody wants the answers": ("sink: []\n", {"sink: []": "goes with a source that answers"}),
    "a queue that drops files": (
        "queue:\n  depth: 9\n  when_full: drop_oldest\n", {"  when_full: drop_oldest": "is not for `files`"},
    ),
    "a server that takes as long as the watchdog": (
        "watchdog: {seconds: 5}\nsink:\n  kind: tensors\n  host: a\n  port: 1\n  model: m\n  timeout_s: 5\n",
        {"  timeout_s: 5": "must be less than watchdog.seconds"},
    ),
    "tensors come, and pre": (
        "source: {kind: tensors, port: 1}\npre:\n  - resize: {size: [8, 8]}\n", {"pre:": "there is no `pre`"},
    ),
    "several at once": (
        "form: sdk\nlicence:\n  key: keys/a.pub\nsink: []\n",
        {"licence:": "`licence` goes with the forms app and service", "sink: []": "add a sink"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_its_line_is_named(case: str, tmp_path: Path) -> None:
    below, told = WRONG[case]
    lines = (HEAD + below).splitlines()
    with pytest.raises(InputError) as refused:
        document.load(Manifest, document.parse((HEAD + below).encode(), tmp_path / "e", "edgepack.yaml"))
    found = {(p.line, p.message) for p in refused.value.problems}
    assert len(found) == len(told), found
    for text, words in told.items():
        # The last line that reads so: a source's port stands before the metrics'.
        number = len(lines) - lines[::-1].index(text)
        assert [message for line, message in found if line == number and words in message], found
