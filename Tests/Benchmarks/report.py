"""The report, for people and for programs."""

import dataclasses
import statistics
from typing import Any

from measure import (
    CPU,
    LOAD_CPU,
    P50,
    P99,
    P999,
    RATE,
    WAITS,
    Metric,
    Profile,
    Result,
    Sample,
    Section,
    Share,
    Spread,
)

#: Places with a smaller share are reported together.
LEAST_SHARE = 0.005


def markdown(machine: dict[str, str], sections: list[Section], quick: bool) -> str:
    """Returns the report of everything that was measured, in Markdown."""
    lines = ["# Speed of feedbackd", ""]
    if quick:
        lines += ["A quick run: fewer and shorter rounds, smaller data sets.", ""]
    lines += [f"- {name}: {value}" for name, value in machine.items() if value]
    lines += ["", "## Results", "", RATIO_NOTE, "", *results_table(sections), ""]
    for section in sections:
        parts = [[f"Left out: {section.left_out}"]] if section.left_out else []
        parts += [[note] for note in section.notes]
        if section.has_own_table:
            parts.append(_table(section.results))
        if section.samples:
            parts.append(_samples_table(section.samples))
        parts += [_profile(profile) for profile in section.profiles]
        if parts:
            lines += [f"## {section.title}", ""]
        for part in parts:
            lines += [*part, ""]
    return "\n".join(lines)


RATIO_NOTE = (
    "Ratios are of runs next to each other in time; their median, with the least and the greatest."
)


def results_table(sections: list[Section]) -> list[str]:
    """Returns the table of the goals, which is also in docs/PERFORMANCE.md."""
    return _table(
        [result for section in sections for result in section.results if not section.has_own_table]
    )


def as_json(machine: dict[str, str], sections: list[Section], quick: bool) -> dict[str, Any]:
    """Returns the report for programs."""
    return {
        "machine": machine,
        "quick": quick,
        "results": [
            dataclasses.asdict(result) | {"met": result.met}
            for section in sections
            for result in section.results
        ],
        "sections": [dataclasses.asdict(section) for section in sections],
    }


def _table(results: list[Result]) -> list[str]:
    return [
        "| goal | what | feedbackd | compared with | ratio | goal | met |",
        "|---|---|---|---|---|---|---|",
        *map(_result_line, results),
    ]


def _result_line(result: Result) -> str:
    other = ratio = goal = met = ""
    if result.theirs is not None:
        other = f"{result.theirs_name}: {_value(result.theirs.median, result.unit)}"
    if result.ratio is not None:
        ratio = _spread(result.ratio)
    if result.limit is not None:
        sign = "≤" if result.limit.at_most else "≥"
        unit = "" if result.ratio else result.unit
        goal = f"{sign} {_value(result.limit.value, unit)}"
        met = "yes" if result.met else "**no**"
    ours = _value(result.ours.median, result.unit)
    return f"| {result.goal} | {result.what} | {ours} | {other} | {ratio} | {goal} | {met} |"


def _samples_table(samples: dict[str, list[Sample]]) -> list[str]:
    times, usage = [RATE, P50, P99, P999], [CPU, WAITS, LOAD_CPU]
    lines = [
        "| | " + " | ".join(metric.name for metric in times + usage) + " |",
        "|---|" + "---:|" * len(times + usage),
    ]
    for name, runs in samples.items():
        has_usage = all(run.usage for run in runs)
        cells = [_median(runs, metric) for metric in times]
        cells += [_median(runs, metric) if has_usage else "" for metric in usage]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def _profile(profile: Profile) -> list[str]:
    """Returns the tables of a profile."""
    busy = ", ".join(f"{name} {count:.2f}" for name, count in profile.processors.items())
    kernel = sum(part.share for part in profile.places if part.name.startswith("kernel: "))
    large = [part for part in profile.places if part.share >= LEAST_SHARE]
    small = [part for part in profile.places if part.share < LEAST_SHARE]
    lines = [
        f"### {profile.name}",
        "",
        f"Processors that were kept busy: {busy}. In the kernel: {kernel:.0%} of the server's time."
        f" {profile.samples:,} samples.",
        "",
        "| place | share | µs per call |",
        "|---|---:|---:|",
        *map(_share_line, large),
        *map(_share_line, [_sum(f"{len(small)} others", small)] if small else []),
        _share_line(_sum("all", profile.places)),
        "",
        "| function | place | share | µs per call |",
        "|---|---|---:|---:|",
        *map(_share_line, profile.functions),
    ]
    if profile.steps:
        lines += ["", "| step, medians | share of the time | µs |", "|---|---:|---:|"]
        lines += [_share_line(step) for step in profile.steps]
    return lines


def _sum(name: str, parts: list[Share]) -> Share:
    return Share(name, sum(part.share for part in parts), sum(part.us for part in parts))


def _share_line(part: Share) -> str:
    cells = [f"`{part.name}`", part.place] if part.place else [part.name]
    return f"| {' | '.join(cells)} | {part.share:.1%} | {part.us:.3g} |"


def _median(runs: list[Sample], metric: Metric) -> str:
    return _value(statistics.median(map(metric.of, runs)), metric.unit)


def _spread(spread: Spread) -> str:
    median, least, greatest = (
        _value(value, "") for value in (spread.median, spread.minimum, spread.maximum)
    )
    return f"{median} ({least} to {greatest})"


def _value(value: float, unit: str) -> str:
    """Returns the value with three digits, or with all digits before the decimal point."""
    number = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{number} {unit}".strip()
