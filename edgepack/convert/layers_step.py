"""A parity report with its layers, where a user asks for them though nothing is wrong."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edgepack.convert import cutting, parity_step
from edgepack.convert.evaluate import open_judge
from edgepack.convert.files import lay_out
from edgepack.plan.step import Plan, Work
from edgepack.store import Store, digest_of


def report(plan: Plan, target: str, store: Store, progress: Callable[[str], None]) -> Mapping[str, Any]:
    """What ``parity.json`` then holds, in ``dist/`` too; as it was where it has layers, or none can be had.

    Raises what ``convert`` raises. It is kept beside the parity step's own result, whose key is in its key.
    """
    work = Work(plan, plan.choices[target], store, progress, "parity")
    body = work.result("parity").report
    if body["layers"] or body["simulator"] is None:
        return body
    key = digest_of({"parity": work.step("parity").key, "cuts": cutting.HANDFUL})
    kept = store.get(key)
    if kept is None or store.damaged(kept):
        with open_judge(work) as judge:
            folder = lay_out(work, "convert", judge.new())
            found = cutting.spread(judge, folder, work.result("convert").report)
        if found is None:
            return body
        looked = {"how": found.how, "note": found.note}
        body = parity_step.clean({**body, "layers": [dict(row) for row in found.rows], "looked": looked})
    else:
        body = kept.report
    with tempfile.TemporaryDirectory(prefix="edgepack-layers-") as temporary:
        files = parity_step.written(work, body, Path(temporary))
        store.put(key, files, body)
    return body
