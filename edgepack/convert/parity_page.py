"""The parity report as one HTML page that needs nothing else: light and dark, on paper and on a phone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from edgepack.convert import layer_plot, page_style

_STAGES = {"pre": "Pre-processing", "model": "Converted model", "post": "Post-processing"}
_MARKS = {True: ("good", "✓", "holds"), False: ("bad", "✗", "is off"), None: ("open", "–", "not compared")}


def page(body: Mapping[str, Any]) -> str:
    """A whole document. body: what ``parity.json`` holds."""
    title = f"{body['project']} {body['version']} on {body['target_name']}"
    parts = [
        _head(body, title),
        _figures(body),
        _cause(body),
        _outputs(body),
        _task(body),
        _stages(body),
        layer_plot.section(body),
        _quantisation(body),
        _warnings(body),
        _foot(body),
    ]
    style = page_style.STYLE
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}: parity</title>\n<style>{style}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(part for part in parts if part)
        + "\n</main>\n</body>\n</html>\n"
    )


def _head(body: Mapping[str, Any], title: str) -> str:
    kind = {True: "good", False: "bad", None: "open"}[body["ok"]]
    verdict = {
        True: "It computes what was trained.",
        False: "It does not compute what was trained.",
        None: "Nothing is claimed of the converted model here.",
    }[body["ok"]]
    return (
        f'<header><p class="over">Parity report</p><h1>{escape(title)}</h1>'
        f'<p class="verdict {kind}"><strong>{verdict}</strong> '
        f"<span>{escape(_state(body))}</span></p></header>"
    )


def _state(body: Mapping[str, Any]) -> str:
    if body["ok"] is False:
        return f"At fault: {_STAGES[body['fault']].lower()}."
    state = str(body["state"])
    return f"{state[:1].upper()}{state[1:]}."


def _figures(body: Mapping[str, Any]) -> str:
    """What it is, at a glance."""
    converted = body["conversion"]
    tool = converted.get("tool") or {}
    least = [row["cosine"] for row in body["outputs"].values() if row["cosine"] is not None]
    rows = [
        ("Precision", body["precision"], f"for {body['chip'] or body['runtime']}"),
        ("Size", size(converted["bytes"]), f"trained: {size(body['trained_bytes'])}"),
        ("Least cosine", f"{min(least):.5f}" if least else "–", f"{body['samples']} golden inputs"),
    ]
    score = body.get("score")
    if score:
        note = f"trained: {percent(score['trained'])}, {score['of']} inputs"
        rows.append((score["metric"], percent(score["converted"]), note))
    if converted.get("seconds") is not None:
        by = f"{tool.get('name', body['recipe'])} {tool.get('version', '')}".strip()
        rows.append(("Converted in", f"{converted['seconds']:.1f} s", f"by {by}"))
    cells = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}<small>{escape(note)}</small></dd></div>"
        for name, value, note in rows
    )
    return f'<dl class="figures">{cells}</dl>'


def _cause(body: Mapping[str, Any]) -> str:
    if body["ok"] is not False:
        return ""
    cause, first = body["cause"], body["first"]
    fault = body["stages"][body["fault"]]
    lines = [f"<p>{_sentence(fault['why'])}</p>"]
    if cause:
        lines.insert(0, f"<p><strong>{_sentence(cause['words'])}</strong></p>")
        lines.append(
            f"<p>It was tried: {escape(cause['mended'])}.</p><p>To do: {_sentence(cause['fix'])}</p>"
        )
    else:
        lines.append("<p>The usual causes were tried one by one, and none mends it.</p>")
    if first and body["fault"] == "model":
        alone = first.get("alone")
        more = f", and alone takes the outputs to {alone:.5f}" if alone is not None else ""
        lines.append(
            f"<p>First diverging layer: <code>{escape(first['node'])}</code> ({escape(first['op'])}), "
            f"cosine {number(first['cosine'])}{more}.</p>"
        )
    looked = body.get("looked") or {}
    if looked.get("note") and body["fault"] == "model":
        lines.append(f'<p class="note">{_sentence(looked["note"])}</p>')
    return f'<section class="cause"><h2>What is wrong</h2>{"".join(lines)}</section>'


def _sentence(text: str) -> str:
    return escape(text[:1].upper() + text[1:]).replace("`", "") + ("" if text.endswith(".") else ".")


def _outputs(body: Mapping[str, Any]) -> str:
    if not body["outputs"]:
        return (
            '<section><h2>Outputs</h2><p class="note">The converted model was not computed on this host: '
            f"{escape(body['recipe'])} has no simulator here. What it does is by contract only.</p></section>"
        )
    rows = "".join(_output(name, row) for name, row in body["outputs"].items())
    return (
        "<section><h2>Outputs, beside the trained model</h2>"
        f'<p class="note">{_sentence(body["stages"]["model"]["compared"])[:-1]}; '
        f"{body['samples']} samples, the worst counts.</p>"
        '<div class="wide"><table><thead><tr><th>Output</th><th class="n">Cosine</th><th class="n">Gate</th>'
        '<th class="n">Largest error</th><th class="n">Gate</th><th class="n">Mean error</th><th></th></tr>'
        f"</thead><tbody>{rows}</tbody></table></div></section>"
    )


def _output(name: str, row: Mapping[str, Any]) -> str:
    kind, mark, word = _MARKS[bool(row["ok"])]
    numbers = (
        number(row["cosine"], 6),
        f"≥ {row['least']:g}",
        short(row["max_abs"]),
        f"≤ {short(row['limit'])}",
        short(row["mean_abs"]),
    )
    cells = "".join(f'<td class="n">{escape(text)}</td>' for text in numbers)
    return f'<tr><td><code>{escape(name)}</code></td>{cells}<td class="{kind}">{mark} {word}</td></tr>'


def _task(body: Mapping[str, Any]) -> str:
    score = body.get("score")
    if not score:
        return ""
    kind, mark, _ = _MARKS[bool(score["ok"])]
    named, drop = ("trained", "converted"), float(score["drop"])
    part = all(0 <= score[name] <= 1 for name in named)  # a metric of the user's may be any number
    drawn = {
        n: f'<i><b style="width:{score[n] * 100:.2f}%" class="{n}"></b></i>' if part else "" for n in named
    }
    bars = "".join(
        f'<div class="bar"><span>{name}</span>{drawn[name]}<em>{percent(score[name])}</em></div>'
        for name in named
    )
    fall, may = (
        (f"{drop * 100:.2f} points", f"{score['max_drop'] * 100:g} points")
        if part
        else (
            f"{drop:.4g}",
            f"{score['max_drop']:g}",
        )
    )
    return (
        f"<section><h2>The task: {escape(score['metric'])}</h2>{bars}"
        f'<p class="note"><span class="{kind}">{mark}</span> It loses {fall if drop > 0 else "nothing"} on '
        f"{score['of']} held-out inputs and may lose {may}.</p></section>"
    )


def _stages(body: Mapping[str, Any]) -> str:
    items = []
    for name in (name for name in _STAGES if name in body["stages"]):
        stage = body["stages"][name]
        kind, mark, word = _MARKS[stage["ok"]]
        why = f"<br>{_sentence(stage['why'])}" if stage["why"] else ""
        compared = escape(stage["compared"]).replace("`", "")
        items.append(
            f'<li><span class="{kind}">{mark}</span><div><strong>{_STAGES[name]} {word}.</strong> '
            f'<span class="note">Compared: {compared}.{why}</span></div></li>'
        )
    return f'<section><h2>Stage by stage</h2><ul class="stages">{"".join(items)}</ul></section>'


def _quantisation(body: Mapping[str, Any]) -> str:
    converted, asked = body["conversion"], body["quantisation"]
    rows = _pruned(body.get("pruned"))
    rows += [(name, str(asked[name])) for name in ("scheme", "granularity", "method") if asked.get(name)]
    if body["fed"].get("calibration"):
        rows.append(
            ("calibration", f"{body['fed']['calibration']} samples through the shipped pre-processing")
        )
    search = converted.get("search") or {}
    kept = search.get("kept") or converted.get("kept") or []
    if kept:
        rows.append(("kept in floating point", ", ".join(map(str, kept))))
    if search.get("bought"):
        before, after = search["bought"]["cosine"]
        rows.append(("which bought", f"cosine {number(before)} → {number(after)}{_metric(search)}"))
        rows.append(
            ("and cost", f"{'+' if search['cost_bytes'] >= 0 else '−'}{size(abs(search['cost_bytes']))}")
        )
    if converted.get("rescued_by"):
        rows.append(("converted only", f"after {converted['rescued_by']}"))
    if not rows:
        return ""
    cells = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in rows)
    title = "Pruning and quantisation" if body.get("pruned") else "Quantisation"
    return f'<section><h2>{title}</h2><table class="facts"><tbody>{cells}</tbody></table></section>'


def _pruned(pruned: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """What pruning saves, and what it costs before anything is converted."""
    if not pruned:
        return []
    before, after = pruned["gzip"]
    cost = f"cosine {number(pruned['cosine'])}"
    if pruned["metric"]:
        cost += f", task {pruned['metric'][0]:.4f} → {pruned['metric'][1]:.4f}"
    return [
        ("weights at zero", f"{percent(pruned['share'])}; compressed {size(before)} → {size(after)}"),
        ("which alone costs", cost),
        ("the converter beside it", f"cosine {number(pruned['converted'])}"),
    ]


def _metric(search: Mapping[str, Any]) -> str:
    before, after = search["bought"].get("metric") or (None, None)
    return f", task {before:.4f} → {after:.4f}" if before is not None and after is not None else ""


def _warnings(body: Mapping[str, Any]) -> str:
    said: Sequence[str] = [*body["warnings"], *(body["conversion"].get("warnings") or [])]
    if not said:
        return ""
    items = "".join(f"<li>{_sentence(str(line))}</li>" for line in said)
    return f'<section><h2>To be aware of</h2><ul class="warned">{items}</ul></section>'


def _foot(body: Mapping[str, Any]) -> str:
    files = ", ".join(body["conversion"]["files"])
    return (
        f"<footer>Made by edgepack in {body['seconds']:g} s from {escape(body['model'])}: "
        f"{escape(files)} by recipe {escape(body['recipe'])}, for {escape(body['target'])}. "
        "Cosine is the least over all samples; errors are absolute, their gates a part of the largest value."
        "</footer>"
    )


def size(count: int) -> str:
    """Bytes as people say them, by powers of ten."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:,.0f} kB"


def percent(value: float) -> str:
    """0..1 as a percentage; other metrics as they are."""
    return f"{value * 100:.1f} %" if 0 <= value <= 1 else f"{value:.4g}"


def number(value: float | None, digits: int = 5) -> str:
    """Null stands for what is no number."""
    return "not a number" if value is None else f"{value:.{digits}f}"


def short(value: float | None) -> str:
    """Three significant digits, never with an exponent where that can be read."""
    if value is None:
        return "not a number"
    return f"{value:.3g}" if value == 0 or 1e-4 <= abs(value) < 1e4 else f"{value:.1e}"
