"""The reference of an SDK's C interface, as Markdown, from the comments of the header that ships."""

from __future__ import annotations

import re

_ITEM = re.compile(r"/\*\*\s(?P<words>.*?)\*/\n(?P<code>[^\n]+(?:\n[^\n]+)*?[;}][^\n]*)(?=\n)", re.DOTALL)
_API = re.compile(r"\b[A-Z0-9_]+_API ")


def reference(header: str, title: str) -> str:
    """A page with every documented declaration of ``header``, in its order."""
    parts = [f"# {title}: the C interface\n", "From the header itself; the C++ one wraps the same calls.\n"]
    for item in _ITEM.finditer(header):
        words = "\n".join(re.sub(r"^\s*\*? ?", "", line) for line in item["words"].splitlines()).strip()
        code = _API.sub("", item["code"]).strip()
        parts.append(f"```c\n{code}\n```\n{words}\n")
    return "\n".join(parts)
