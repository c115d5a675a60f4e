"""The cost of metrics and of a chain of hooks for an add to the memory store."""

from collections.abc import Iterator
from contextlib import contextmanager

from dataset import scratch_folder
from durable import new_file
from measure import (
    CPU,
    RATE,
    Result,
    Sample,
    Section,
    Settings,
    Spread,
    at_least,
    at_most,
    fresh,
    in_turn,
    ttrpc_load,
)
from programs import Failed, Server, feedbackd

PLAIN, RECORDED, HOOKED = "feedbackd", "feedbackd, metrics", "feedbackd, metrics, four hooks"
SHAPE = (8, 8)
#: All feedback of the load is rated up, so that there are no alerts.
CHAIN = """\
hooks:
  order: [check, audit, alert, analytics]
  check:
    kind: validation
    require_comment_on: [down]
    comment_max: 1000
  audit:
    kind: audit
    file: {audit}
  alert:
    kind: notification
    on: [down]
    webhook_url: http://127.0.0.1:9/
  analytics:
    kind: analytics
"""


#: Every add of the load causes an alert, to a receiver that does not exist.
STORM = """\
hooks:
  order: [alert]
  alert:
    kind: notification
    on: [up]
    webhook_url: http://127.0.0.1:9/
"""
#: The same to the log, at a level that leaves the lines out: the cheapest receiver that takes them.
DELIVERED = """\
hooks:
  order: [alert]
  alert:
    kind: notification
    on: [up]
"""
NO_HOOKS = "hooks: {order: []}\n"
QUIET, STORMY, TOLD = (
    "feedbackd, SQLite",
    "feedbackd, SQLite, alert storm",
    "feedbackd, SQLite, alerts delivered",
)

#: Any port that is free.
METRICS = ["--metrics-listen", "127.0.0.1:0"]


def recorded() -> Server:
    """Returns feedbackd with metrics."""
    return feedbackd(name=RECORDED, options=METRICS)


@contextmanager
def hooked() -> Iterator[Server]:
    """Makes feedbackd with metrics and a chain of four hooks; the audit's file must grow."""
    with scratch_folder() as folder:
        audit = folder / "audit.jsonl"
        config = folder / "hooks.yaml"
        config.write_text(CHAIN.format(audit=audit))
        yield feedbackd(name=HOOKED, options=[*METRICS, "--config", str(config)])
        if not audit.exists() or audit.stat().st_size == 0:
            raise Failed("the audit hook wrote nothing: the chain was not there")


def hooks(settings: Settings) -> Section:
    """Processor time of metrics and of a chain of four hooks, 8 x 8, memory store."""
    section = Section("hooks", "What metrics and four hooks cost, 8 x 8, memory store")
    with hooked() as server:
        contenders = {
            server.name: fresh(server, ttrpc_load, SHAPE, settings)
            for server in [feedbackd(), recorded(), server]
        }
        section.samples = in_turn(contenders, settings.rounds)
    section.compare("", "CPU per add with metrics", CPU, RECORDED, PLAIN, at_most(1.03))
    _add_difference(section, "four hooks, CPU per add", HOOKED, RECORDED, 5)
    return section


def alert_storm(settings: Settings) -> Section:
    """Adds that are all to be told, to a receiver that is down and to one that works, SQLite."""
    section = Section("storm", "Adds to SQLite that all cause an alert, 8 x 8")
    # The goal is nearer to 1 than the speed of disks is steady: there are more rounds, and shorter.
    settings = settings.in_rounds(3 * settings.rounds)
    with scratch_folder() as folder:

        def measure(name: str, settings_of_hooks: str) -> Sample:
            config = folder / "hooks.yaml"
            config.write_text(settings_of_hooks)
            options = ["--config", str(config)]
            server = feedbackd(f"sqlite:{new_file(folder)}", name, options)
            return fresh(server, ttrpc_load, SHAPE, settings)()

        contenders = {
            QUIET: lambda: measure(QUIET, NO_HOOKS),
            STORMY: lambda: measure(STORMY, STORM),
            TOLD: lambda: measure(TOLD, DELIVERED),
        }
        section.samples = in_turn(contenders, settings.rounds)
    section.compare("hooks", "adds in an alert storm", RATE, STORMY, QUIET, at_least(0.97))
    section.compare("", "adds whose alerts are delivered", RATE, TOLD, QUIET)
    return section


def _add_difference(section: Section, what: str, ours: str, theirs: str, limit_us: float) -> None:
    """Adds the difference of two contenders' costs, which is taken round by round."""
    pairs: list[tuple[Sample, Sample]] = list(
        zip(section.samples[ours], section.samples[theirs], strict=True)
    )
    differences = Spread.of([CPU.of(a) - CPU.of(b) for a, b in pairs])
    section.results.append(Result("hooks", what, CPU.unit, differences, at_most(limit_us)))
