"""The parity report as one HTML page that needs nothing else."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from typing import Any


def page(body: Mapping[str, Any]) -> str:
    """A whole document. body: what ``parity.json`` holds."""
    title = html.escape(f"{body['project']}@{body['target']}: parity")
    said = html.escape(json.dumps(body, indent=1, sort_keys=True))
    return f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><pre>{said}</pre></html>\n'
