"""Simple line plots as SVG, for the documentation."""

from dataclasses import dataclass
from math import log10
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 70, 170, 40, 50
COLOURS = ("#0b62c4", "#c4570b", "#2e7d32", "#8e24aa")


@dataclass(frozen=True)
class Line:
    """A named line of (x, y) points."""

    name: str
    points: list[tuple[float, float]]


def svg(
    title: str, x_name: str, y_name: str, lines: list[Line], y_is_log: bool = False, x_is_log: bool = True,
) -> str:  # fmt: skip
    """Draws lines. A logarithmic x axis shows each x; a linear one begins at 0, and has no dots."""
    xs = sorted({x for line in lines for x, _ in line.points})
    ys = [y for line in lines for _, y in line.points]
    low, high = (log10(min(ys) / 1.5), log10(max(ys) * 1.5)) if y_is_log else (0.0, max(ys) * 1.1)
    span = log10(xs[-1] / xs[0]) or 1 if x_is_log else xs[-1]

    def place(x: float, y: float) -> tuple[float, float]:
        share = ((log10(y) if y_is_log else y) - low) / (high - low)
        return (
            LEFT + (log10(x / xs[0]) if x_is_log else x) / span * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM),
        )

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="12"><rect width="100%" height="100%" fill="white"/>',
        text(LEFT, 22, title, "start", 'font-weight="bold" font-size="14"'),
        text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, x_name, "middle"),
        text(LEFT, TOP - 4, y_name, "start", 'fill="#555"'),
    ]
    for tick in ticks(low, high, y_is_log):
        _, y = place(xs[0], tick)
        out.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        out.append(text(LEFT - 6, y + 4, short(tick), "end"))
    for x in xs if x_is_log else ticks(0.0, xs[-1], False):
        out.append(text(place(x, 10**low if y_is_log else 0)[0], HEIGHT - BOTTOM + 18, short(x), "middle"))
    labels = sorted(lines, key=lambda line: -line.points[-1][1])
    for colour, line in zip(COLOURS, lines):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in line.points))
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for x, y in (place(*point) for point in line.points if x_is_log):
            out.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>')
        y = TOP + 18 + 18 * labels.index(line)
        out.append(f'<path d="M{WIDTH - RIGHT + 10} {y - 4}h16" stroke="{colour}" stroke-width="2"/>')
        out.append(text(WIDTH - RIGHT + 32, y, line.name, "start"))
    return "\n".join([*out, "</svg>", ""])


def ticks(low: float, high: float, is_log: bool) -> list[float]:
    if is_log:
        return [10.0**power for power in range(int(low) - 1, int(high) + 1) if low <= power <= high]
    step = 10.0 ** int(log10(high))
    step = next(step * part for part in (0.1, 0.2, 0.25, 0.5, 1, 2) if high / (step * part) <= 6)
    return [step * number for number in range(int(high / step) + 1)]


def short(value: float) -> str:
    return f"{value / 1000:g}k" if value >= 1000 else f"{value:g}"


def text(x: float, y: float, content: str, anchor: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {more}>{escape(content)}</text>'
