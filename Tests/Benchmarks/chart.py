"""The chart of latency by percentile of all servers, as SVG."""

import math
from html import escape

from measure import P50, Sample, Section

WIDTH, PANEL_HEIGHT = 860, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 190, 46, 48
#: The percentiles that the axis names; each further nine takes as much room as the one before.
TICKS = [0, 50, 90, 99, 99.9, 99.99]
#: Colours that people with colour blindness can distinguish, too (Okabe and Ito).
COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"]


def draw(panels: list[tuple[str, dict[str, list[Sample]]]]) -> str:
    """Returns panels below each other; each has a title and samples by the server's name."""
    height = len(panels) * PANEL_HEIGHT
    names = list(dict.fromkeys(name for _, samples in panels for name in samples))
    colours = {name: COLOURS[index % len(COLOURS)] for index, name in enumerate(names)}
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}"'
        f' viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
    ]
    for index, (title, samples) in enumerate(panels):
        parts.append(f'<g transform="translate(0 {index * PANEL_HEIGHT})">')
        parts += _panel(title, samples, colours)
        parts.append("</g>")
    return "\n".join([*parts, "</svg>"]) + "\n"


def panel(section: Section, label: str = "") -> dict[str, list[Sample]]:
    """Returns a section's samples, or those of one load shape without the shape in their names."""
    suffix = f", {label}" if label else ""
    return {
        name.removesuffix(suffix): samples
        for name, samples in section.samples.items()
        if name.endswith(suffix)
    }


def _panel(title: str, samples: dict[str, list[Sample]], colours: dict[str, str]) -> list[str]:
    lines = {name: _points(runs) for name, runs in samples.items()}
    latencies = [latency for points in lines.values() for _, latency in points]
    low = 10 ** math.floor(math.log10(min(latencies)))
    high = 10 ** math.ceil(math.log10(max(latencies)))
    parts = [f'<text x="{LEFT}" y="26" font-size="15" font-weight="bold">{escape(title)}</text>']
    parts += _axes(low, high)
    # The labels are placed from top to bottom in the order of the lines' ends, the slowest first.
    ends = sorted(lines, key=lambda name: -lines[name][-1][1])
    label_y = 0.0
    for name in ends:
        points = [(_x(percent), _y(latency, low, high)) for percent, latency in lines[name]]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        colour = colours[name]
        width = 3 if name == "feedbackd" else 1.8
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>'
        )
        x, y = points[-1]
        label_y = max(y, label_y + 17)
        margin = WIDTH - RIGHT + 10
        weight = ' font-weight="bold"' if name == "feedbackd" else ""
        parts.append(
            f'<polyline points="{x:.1f},{y:.1f} {margin - 8},{y:.1f} {margin},{label_y:.1f}"'
            f' fill="none" stroke="{colour}" stroke-dasharray="2 2"/>'
            f'<text x="{margin + 4}" y="{label_y + 4:.1f}" fill="{colour}"{weight}>'
            f"{escape(name)}</text>"
        )
    return parts


def _axes(low: float, high: float) -> list[str]:
    parts = []
    right, bottom = WIDTH - RIGHT, PANEL_HEIGHT - BOTTOM
    for percent in TICKS:
        x = _x(percent)
        parts.append(f'<line x1="{x}" y1="{TOP}" x2="{x}" y2="{bottom}" stroke="#ddd"/>')
        parts.append(f'<text x="{x}" y="{bottom + 18}" text-anchor="middle">{percent:g}</text>')
    parts.append(
        f'<text x="{(LEFT + right) / 2}" y="{bottom + 38}" text-anchor="middle">percentile</text>'
    )
    decade = low
    while decade <= high:
        for factor in range(1, 10):
            y = _y(decade * factor, low, high)
            if y < TOP - 0.1:
                break
            colour = "#ccc" if factor == 1 else "#eee"
            parts.append(
                f'<line x1="{LEFT}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}" stroke="{colour}"/>'
            )
        parts.append(
            f'<text x="{LEFT - 8}" y="{_y(decade, low, high) + 4:.1f}" text-anchor="end">'
            f"{_duration(decade)}</text>"
        )
        decade *= 10
    return parts


def _points(runs: list[Sample]) -> list[tuple[float, float]]:
    """Returns percentiles and microseconds of the run whose median is the median of all runs."""
    run = sorted(runs, key=P50.of)[len(runs) // 2]
    return [
        (percent, max(nanoseconds / 1000, 0.1))
        for percent, nanoseconds in run.report["percentiles"]
        if percent <= TICKS[-1]
    ]


def _x(percent: float) -> float:
    share = math.log10(100 / (100 - percent)) / math.log10(100 / (100 - TICKS[-1]))
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def _y(latency: float, low: float, high: float) -> float:
    share = math.log10(latency / low) / math.log10(high / low)
    return PANEL_HEIGHT - BOTTOM - share * (PANEL_HEIGHT - TOP - BOTTOM)


def _duration(microseconds: float) -> str:
    if microseconds >= 1e6:
        return f"{microseconds / 1e6:g} s"
    if microseconds >= 1000:
        return f"{microseconds / 1000:g} ms"
    return f"{microseconds:g} µs"
