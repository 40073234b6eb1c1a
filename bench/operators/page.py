"""docs/proof/operators.md, and what the recipes are to say of it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.operators.cases import Case
from bench.operators.verdict import Verdict

MARK = "# From here on by `make operators`, not by hand.\n"
PROOF = "docs/proof/operators.md"
CELLS = {"agrees": "✓", "refused": "refused", "wrong": "wrong", "crashed": "crashed", "aside": "·"}
HEAD = """# Which operators each toolkit has

Written by `{command}` (seed {seed}) at commit {commit}, {date}. Each row is a network of one ONNX
operator with static shapes and weights drawn by the seed, converted by the recipe in its first
floating-point precision and computed by its simulator or runtime beside ONNX Runtime on four random inputs.

✓ converts and agrees; *refused*: the toolkit says no; *wrong*: it converts, and computes something else,
which edgepack refuses to hand on; *crashed*: it ends by a signal, or not at all in {timeout} s, in a process
of its own as well; ·: this says nothing of the operator, for the recipe's opset ends before it, or another
operator in the network is missing too. A toolkit may still refuse an operator with ✓ in other sizes or
places, and take one that is refused here where the model is simplified first. `edgepack check` tells what is
here.
"""


def page(verdicts: Sequence[Verdict], cases: Sequence[Case], head: Mapping[str, str]) -> str:
    """The table, then each toolkit's own words."""
    lines = [
        HEAD.format(**head),
        "| recipe | tool | precision | " + " | ".join(CELLS) + " |",
        "|---" * 8 + "|",
    ]
    for verdict in verdicts:
        count = Counter(result.state for result in verdict.found.values())
        numbers = " | ".join(str(count[state]) for state in CELLS)
        lines.append(f"| {_name(verdict)} | {verdict.way.recipe.about.tool} | {_how(verdict)} | {numbers} |")
    lines += ["", "| operator | " + " | ".join(_name(v).removeprefix("onnx-") for v in verdicts) + " |"]
    lines.append("|---" * (len(verdicts) + 1) + "|")
    for case in cases:
        row = " | ".join(CELLS[v.found[case.id].state] if case.id in v.found else "" for v in verdicts)
        lines.append(f"| {case.id} | {row} |")
    for verdict in verdicts:
        words = [_words(case, verdict) for case in cases if case.id in verdict.found]
        told = [line for line in words if line]
        lines += ["", f"## {_name(verdict)}", "", *(told or ["All of them agree."])]
    return "\n".join(lines) + "\n"


def _name(verdict: Verdict) -> str:
    return verdict.way.recipe.id


def _how(verdict: Verdict) -> str:
    chip = f" on {verdict.way.chip}" if verdict.way.chip else ""
    return f"{verdict.way.precision}{chip}"


def _words(case: Case, verdict: Verdict) -> str:
    result = verdict.found[case.id]
    return f"- {case.id}: {result.state}. {result.words}" if result.state != "agrees" else ""


def into_recipe(verdict: Verdict, file: Path) -> None:
    """`knows` and `lacks`, behind all that people wrote. The file is replaced in one go."""
    by_hand = file.read_text().split(MARK)[0].rstrip("\n")
    tried = f"tried with {verdict.way.recipe.about.tool}, {_how(verdict)}"
    lines = ["knows:", f"  source: {json.dumps(f'{tried}: {PROOF}', ensure_ascii=False)}", "  operators:"]
    lines += [f"    - {operator}" for operator in verdict.knows]
    if verdict.lacks:
        lines.append("lacks:")
    for lack in verdict.lacks:
        lines.append(f"  - operator: {lack.operator}")
        if lack.when:
            lines.append("    when: {" + ", ".join(f"{k}: {v}" for k, v in lack.when.items()) + "}")
        source = json.dumps(f"{tried}: {lack.how}; {PROOF}", ensure_ascii=False)
        lines += [f"    source: {source}", f"    fix: {json.dumps(lack.fix, ensure_ascii=False)}"]
    unfinished = file.with_name(".recipe.yaml")
    unfinished.write_text(f"{by_hand}\n{MARK}" + "\n".join(lines) + "\n")
    unfinished.replace(file)
