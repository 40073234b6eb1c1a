"""The error layer by layer, as a picture: 1 − cosine on a logarithmic scale, inline SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

WIDTH, HEIGHT = 860, 260
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 14, 34
MOST = 40  # points that can be told apart
WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
FLOOR = 1e-8  # below it fp32 itself is the error


def section(body: Mapping[str, Any]) -> str:
    """Empty where nothing looked inside."""
    rows = _chosen(body["layers"], body["first"])
    if not rows:
        simulator = body.get("simulator")
        if not simulator:
            return ""
        said = (
            f"{escape(simulator['name'])} gives no intermediate tensors. With <code>edgepack parity "
            "--layers</code> beginnings of the model are converted, and what they give is compared."
        )
        return f'<section><h2>Layer by layer</h2><p class="note">{said}</p></section>'
    only = "" if len(rows) == len(body["layers"]) else f", {len(rows)} of {len(body['layers'])} tensors"
    return (
        '<section><h2>Layer by layer</h2><p class="note">Distance of each tensor inside the converted model '
        "from the trained one's: 1 − cosine, the lower the better. Layers in the model's order"
        f"{only}; the dashed line is the gate that outputs are held to, layers are not.{_how(body)}</p>"
        f'<div class="wide">{plot(rows, 1 - body["gates"]["cosine"], body["first"])}</div></section>'
    )


def _how(body: Mapping[str, Any]) -> str:
    """Where the tensors were not looked at in the converted model itself."""
    looked = body.get("looked") or {}
    if looked.get("how") != "cutting":
        return ""
    return (
        " Each is an output of a beginning of the model, converted by itself: found by cutting, where the "
        "toolkit may merge layers in another way."
    )


def _chosen(
    rows: Sequence[Mapping[str, Any]], first: Mapping[str, Any] | None
) -> Sequence[Mapping[str, Any]]:
    """All where they can be told apart; else the layers with weights, the last and the one at fault."""
    if len(rows) <= MOST:
        return rows
    named = {rows[-1]["tensor"], first["tensor"] if first else None}
    found = [row for row in rows if row["op"] in WEIGHTED or row["tensor"] in named]
    return found if len(found) > 1 else rows


def plot(rows: Sequence[Mapping[str, Any]], gate: float, first: Mapping[str, Any] | None) -> str:
    """rows: tensor, node, op, cosine (null: not a number). gate: of 1 − cosine. first: the one at fault."""
    errors = [_error(row) for row in rows]
    low = math.floor(math.log10(max(min([*errors, gate]) * 0.8, FLOOR)))
    high = math.ceil(math.log10(max([*errors, gate]) * 1.2))
    scale = _Scale(low, max(high, low + 1), len(rows))
    parts = [_axis(scale), _gate(scale, gate)]
    points = [(scale.x(i), scale.y(error)) for i, error in enumerate(errors)]
    if len(points) > 1:
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline class="curve" points="{line}"/>')
    parts += [_point(at, row, first) for at, row in zip(points, rows, strict=True)]
    parts.append(_names(scale, rows))
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Error layer by layer">'
        + "".join(parts)
        + "</svg>"
    )


class _Scale:
    """Where a layer and an error lie."""

    def __init__(self, low: int, high: int, count: int) -> None:
        self.low, self.high, self.count = low, high, count

    def x(self, number: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (number + 0.5) / self.count

    def y(self, error: float) -> float:
        part = (math.log10(max(error, FLOOR)) - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * min(max(part, 0.0), 1.0)


def _error(row: Mapping[str, Any]) -> float:
    return 2.0 if row["cosine"] is None else max(1 - float(row["cosine"]), FLOOR)


def _axis(scale: _Scale) -> str:
    step = max(1, math.ceil((scale.high - scale.low) / 6))
    parts = []
    for power in range(scale.low, scale.high + 1, step):
        y = scale.y(10.0**power)
        label = {0: "1", -1: "0.1", -2: "0.01"}.get(power, f"10<tspan dy='-5' font-size='9'>{power}</tspan>")
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
    return "".join(parts)


def _gate(scale: _Scale, gate: float) -> str:
    y = scale.y(gate)
    return (
        f'<line class="gate" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="gate" x="{WIDTH - RIGHT}" y="{y - 5:.1f}" text-anchor="end">gate</text>'
    )


def _point(at: tuple[float, float], row: Mapping[str, Any], first: Mapping[str, Any] | None) -> str:
    guilty = first is not None and first["tensor"] == row["tensor"]
    kind = "first" if guilty else "under"
    told = "not a number" if row["cosine"] is None else f"cosine {row['cosine']:.6f}"
    title = f"{row['node']} ({row['op']}): {told}" + ("; first diverging layer" if guilty else "")
    radius = 6 if guilty else 3.5
    return (
        f'<circle class="{kind}" cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="{radius}">'
        f"<title>{escape(title)}</title></circle>"
    )


def _names(scale: _Scale, rows: Sequence[Mapping[str, Any]]) -> str:
    """As many as there is room for."""
    every = max(1, math.ceil(len(rows) / 10))
    y = HEIGHT - BOTTOM + 20
    return "".join(
        f'<text x="{scale.x(i):.1f}" y="{y}" text-anchor="middle">{escape(_short(rows[i]))}</text>'
        for i in range(0, len(rows), every)
    )


def _short(row: Mapping[str, Any]) -> str:
    """PyTorch names a node by its modules and its operator: the outermost and innermost module tell most."""
    name = str(row["node"]).removesuffix(f"/{row['op']}").strip("/")
    if len(name) <= 11:
        return name
    first, _, rest = name.partition("/")
    last = rest.rpartition("/")[2]
    return f"{first[:6]}…{last[-5:]}" if last else "…" + name[-10:]
