"""Why a recipe gave up, in words for the user."""

from __future__ import annotations

KINDS = (
    "not-a-model",
    "unsupported-operator",
    "unsupported-input",
    "converter-failed",
    "missing-tool",
    "parity",
)


class Refused(Exception):
    """The report's ``error``: what happened, the likely cause, what to do, and the tool's own words."""

    def __init__(self, kind: str, what: str, why: str = "", fix: str = "", detail: str = "") -> None:
        if kind not in KINDS:
            raise ValueError("kind is one of: " + ", ".join(KINDS))
        super().__init__(what)
        self.kind, self.what, self.why, self.fix, self.detail = kind, what, why, fix, detail

    def as_json(self) -> dict:
        return {name: shown(str(getattr(self, name))) for name in ("kind", "what", "why", "fix", "detail")}


def shown(text: str) -> str:
    """A model's or a tool's words, safe on a terminal."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)
