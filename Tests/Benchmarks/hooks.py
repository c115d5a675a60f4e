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


#: Every add of the load causes an alert to a receiver that does not exist.
STORM = """\
hooks:
  order: [alert]
  alert:
    kind: notification
    on: [up]
    webhook_url: http://127.0.0.1:9/
"""
QUIET, STORMY = "feedbackd, SQLite", "feedbackd, SQLite, alert storm"

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
    """Adds that are all to be told to a receiver that is down, 8 x 8, SQLite."""
    section = Section("storm", "Adds to SQLite while alerts cannot be delivered, 8 x 8")
    with scratch_folder() as folder:
        config = folder / "hooks.yaml"
        config.write_text(STORM)

        def measure(name: str, options: list[str]) -> Sample:
            server = feedbackd(f"sqlite:{new_file(folder)}", name, options)
            return fresh(server, ttrpc_load, SHAPE, settings)()

        contenders = {
            QUIET: lambda: measure(QUIET, []),
            STORMY: lambda: measure(STORMY, ["--config", str(config)]),
        }
        section.samples = in_turn(contenders, settings.rounds)
    section.compare("hooks", "adds in an alert storm", RATE, STORMY, QUIET, at_least(0.8))
    return section


def _add_difference(section: Section, what: str, ours: str, theirs: str, limit_us: float) -> None:
    """Adds the difference of two contenders' costs, which is taken round by round."""
    pairs: list[tuple[Sample, Sample]] = list(
        zip(section.samples[ours], section.samples[theirs], strict=True)
    )
    differences = Spread.of([CPU.of(a) - CPU.of(b) for a, b in pairs])
    section.results.append(Result("hooks", what, CPU.unit, differences, at_most(limit_us)))
