"""What in a manifest does not go together, though each part of it is right: where, and in words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from edgepack.manifest.blocks import takes_sound
from edgepack.manifest.flow import wrong_source
from edgepack.manifest.python import SUFFIX
from edgepack.manifest.sources import ANSWERS
from edgepack.manifest.tensors import wrong_tensors

if TYPE_CHECKING:
    from edgepack.manifest.project import Manifest, Place

# https://semver.org, without leading zeros; C++17's keywords that are words of lower-case letters.
_SEMANTIC = re.compile(r"(0|[1-9]\d{0,5})(\.(0|[1-9]\d{0,5})){2}([-+][0-9A-Za-z.+-]+)?", re.ASCII)
_KEYWORD = re.compile(
    r"alignas|alignof|and|and_eq|asm|auto|bitand|bitor|bool|break|case|catch|char|class|compl|const|"
    r"constexpr|const_cast|continue|decltype|default|delete|do|double|dynamic_cast|else|enum|explicit|"
    r"export|extern|false|float|for|friend|goto|if|inline|int|long|mutable|namespace|new|noexcept|not|"
    r"not_eq|nullptr|operator|or|or_eq|private|protected|public|register|reinterpret_cast|return|"
    r"short|signed|sizeof|static|static_assert|static_cast|std|struct|switch|template|this|"
    r"thread_local|throw|true|try|typedef|typeid|typename|union|unsigned|using|virtual|void|volatile|"
    r"while|xor|xor_eq"
)


def wrong_together(manifest: Manifest) -> Iterator[tuple[Place, str]]:
    """Each with the path of the value that has to change, as most people would."""
    yield from _measured(manifest)
    yield from _python(manifest)
    yield from _sinks(manifest)
    yield from wrong_tensors(manifest)
    yield from wrong_source(manifest)
    yield from _form(manifest)
    if manifest.source.kind == "files" and manifest.queue.when_full == "drop_oldest":
        words = "queue.when_full: drop_oldest is not for `files`: each picture is answered"
        yield ("queue", "when_full"), words


def _measured(manifest: Manifest) -> Iterator[tuple[Place, str]]:
    metrics, source = manifest.metrics, manifest.source
    if metrics and isinstance(source, ANSWERS) and metrics.port == source.port:
        yield ("metrics", "port"), "metrics.port and source.port must be different"
    if metrics and manifest.form != "app":
        yield ("metrics",), "`metrics` goes with `form: app`"
    if manifest.health.metrics and not metrics:
        words = "`health.metrics` asks what `metrics` answers: add `metrics: {port: 9100}`"
        yield ("health", "metrics"), words


def _python(manifest: Manifest) -> Iterator[tuple[Place, str]]:
    steps = [("pre", i, block.code or "") for i, block in enumerate(manifest.pre)]
    steps += [("post", i, block.code or "") for i, block in enumerate(manifest.post)]
    ours = [step for step in steps if step[2].endswith(SUFFIX)]
    if ours and (manifest.python is None or manifest.form != "app"):
        section, index, code = ours[0]
        yield (section, index, "code"), f"{code} is Python: it goes with `form: app` and a section `python`"
    if manifest.python and not ours:
        yield ("python",), "`python` goes with a `code: ….py` in `pre` or `post`"
    for name, member in manifest.models.items():
        for section, blocks in (("pre", member.pre), ("post", member.post)):
            for index, block in enumerate(blocks):
                if block.code and block.code.endswith(SUFFIX):
                    words = "the `pre` and `post` of a model in `models` are blocks and C++, not Python"
                    yield ("models", name, section, index, "code"), words


def _sinks(manifest: Manifest) -> Iterator[tuple[Place, str]]:
    source, seen = manifest.source, set()
    for index, sink in enumerate(manifest.sinks):
        place: Place = ("sink", index) if isinstance(manifest.sink, list) else ("sink",)
        path = getattr(sink, "path", None)
        if path and path == getattr(source, "path", None):
            yield (*place, "path"), "source.path and sink.path must be different"
        if path and path in seen:
            yield (*place, "path"), "two sinks have the same path"
        seen.add(path)
        wanted = getattr(sink, "format", None) or getattr(sink, "picture", None) or "pnm"
        if wanted not in ("pnm", *source.formats):
            yield place, f"a sink writes {wanted}: add it to source.formats, whose library does it"
    if not manifest.sinks and not isinstance(source, ANSWERS):
        yield ("sink",), "`sink: []` goes with a source that answers, like `http`; add a sink"


def _form(manifest: Manifest) -> Iterator[tuple[Place, str]]:
    if manifest.form != "sdk":
        return
    if takes_sound(manifest.pre):
        words = "`logmel` goes with the forms app and service: an sdk's functions take pictures"
        yield ("form",), words
    for key in ("licence", "encryption"):
        if getattr(manifest, key):
            yield (key,), f"`{key}` goes with the forms app and service: an sdk has no data folder"
    if not _SEMANTIC.fullmatch(manifest.version):
        words = f"an sdk's version is like 1.2.0 (major.minor.patch), not {manifest.version}"
        yield ("version",), words
    if _KEYWORD.fullmatch(manifest.name.replace("-", "_")):
        words = f"an sdk cannot be named {manifest.name}: its C++ namespace would be a keyword"
        yield ("name",), words
