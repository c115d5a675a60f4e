#!/usr/bin/env python3
"""Compares feedbackd with its peers and writes a report; `make bench` builds all and runs it."""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import chart
import machine
import report
from counts import counts
from cursors import late_cursor
from durable import durable
from footprint import footprint
from hooks import alert_storm, hooks
from journal import journal
from measure import Section, Settings
from mongodb import mongodb
from profiles import profiles
from programs import WORK, Failed, LeftOut
from python_client import python_client
from scale import scale
from speed import grpc, one_call, pay_as_you_go, throughput
from watch import watch

FAILURE = "failed: "
SECTIONS: list[Callable[[Settings], Section]] = [
    one_call,
    throughput,
    durable,
    scale,
    footprint,
    pay_as_you_go,
    hooks,
    alert_storm,
    late_cursor,
    watch,
    grpc,
    mongodb,
    journal,
    python_client,
    counts,
    profiles,
]
#: The sections that the quick form leaves out unless they are requested by name.
NOT_QUICK = {"alert_storm", "late_cursor", "watch", "journal", "profiles"}


def main() -> int:
    arguments = _arguments()
    settings = Settings.of(arguments.quick)
    load_before = machine.load_average()
    wanted = arguments.only or _all(arguments.quick)
    sections = []
    for measure in SECTIONS:
        if measure.__name__ in wanted:
            sections.append(_measured(measure, settings))
    described = machine.describe() | {
        "load average": f"{load_before} before, {machine.load_average()} after"
    }
    write(described, sections, arguments.quick, arguments.output)
    over = [
        result
        for section in sections
        for result in section.results
        if result.goal == "counts" and not result.met
    ]
    for result in over:
        limit = result.limit.value if result.limit else 0
        print(f"over its threshold: {result.what}: {result.ours.median:.3g}, at most {limit:g}")
    has_failed = any(section.left_out.startswith(FAILURE) for section in sections)
    return 1 if over or has_failed else 0


def _all(quick: bool) -> list[str]:
    """Returns the names of the sections that are measured if none is named."""
    names = [measure.__name__ for measure in SECTIONS]
    return [name for name in names if not (quick and name in NOT_QUICK)]


def _measured(measure: Callable[[Settings], Section], settings: Settings) -> Section:
    """Runs a section; one that cannot be run states the reason, and the others continue."""
    name = measure.__name__
    title = (measure.__doc__ or name).splitlines()[0].rstrip(".")
    begin = time.monotonic()
    try:
        section = measure(settings)
    except LeftOut as reason:
        section = Section(name, title, left_out=str(reason))
    except (Failed, OSError) as error:
        section = Section(name, title, left_out=f"{FAILURE}{error}")
    outcome = section.left_out or "done"
    print(f"{name}: {outcome} ({time.monotonic() - begin:.0f} s)", file=sys.stderr, flush=True)
    return section


def write(described: dict[str, str], sections: list[Section], quick: bool, folder: Path) -> None:
    """Writes report.md, report.json and latency.svg."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.md").write_text(report.markdown(described, sections, quick))
    document = report.as_json(described, sections, quick)
    (folder / "report.json").write_text(json.dumps(document, indent=1) + "\n")
    panels = []
    for section in sections:
        if section.name == "one_call":
            panels.append((section.title, chart.panel(section)))
        if section.name == "throughput":
            panels.append(("8 connections with 8 calls in flight", chart.panel(section, "8 x 8")))
    if panels:
        (folder / "latency.svg").write_text(chart.draw(panels))
    print("\n".join(report.results_table(sections)))
    print(f"\n{folder}/report.md, report.json, latency.svg")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, smaller data sets")
    parser.add_argument(
        "--only",
        nargs="+",
        metavar="SECTION",
        choices=[measure.__name__ for measure in SECTIONS],
        help="only these parts",
    )
    parser.add_argument("--output", type=Path, default=WORK, help="the report's folder")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
