"""The cost of a call when much is stored: goal 4."""

from dataset import BIG_SESSION, BIG_SESSION_ROWS, SMALL, Shape, copy
from measure import (
    P50,
    RATE,
    Sample,
    Section,
    Settings,
    at_least,
    at_most,
    in_turn,
    ttrpc_load,
    under_load,
)
from programs import Running, feedbackd

ROWS = 10_000_000
QUICK_ROWS = 1_000_000


def scale(settings: Settings) -> Section:
    """Goal 4: calls when much is stored."""
    shape = Shape(QUICK_ROWS if settings.quick else ROWS)
    large, small = f"{shape.rows:,} rows", f"{SMALL.rows:,} rows"
    section = Section("scale", f"SQLite with {large}")
    section.notes.append("The databases have just been copied, so that the page cache has them.")
    with copy(shape) as path, Running(feedbackd(f"sqlite:{path}")) as running:
        _metrics(section, running, large, small, settings)
        _lists(section, running, shape, settings)
        _adds(section, running, shape, large, small, settings)
    return section


def _metrics(
    section: Section, running: Running, large: str, small: str, settings: Settings
) -> None:
    options = ["--method", "metrics"]
    with copy(SMALL) as path, Running(feedbackd(f"sqlite:{path}")) as other:
        ours, theirs = f"metrics, {large}", f"metrics, {small}"
        contenders = {
            ours: lambda: _calls(running, options, settings),
            theirs: lambda: _calls(other, options, settings),
        }
        section.samples |= in_turn(contenders, settings.rounds)
    section.compare("4", f"metrics of {large}, p50", P50, ours, theirs, at_most(1.2))


def _lists(section: Section, running: Running, shape: Shape, settings: Settings) -> None:
    big, small = f"{BIG_SESSION_ROWS:,}", f"{shape.rows_per_session:,}"
    options = ["--method", "list", "--page-size", "100", "--session"]
    ours, theirs = f"first page, session of {big}", f"first page, session of {small}"
    contenders = {
        ours: lambda: _calls(running, [*options, BIG_SESSION], settings),
        theirs: lambda: _calls(running, [*options, "session-0000000"], settings),
    }
    section.samples |= in_turn(contenders, settings.rounds)
    section.compare("4", f"first page of a session of {big}, p50", P50, ours, theirs, at_most(1.2))


def _calls(running: Running, options: list[str], settings: Settings) -> Sample:
    return under_load(running, ttrpc_load(running.socket, 1, 1, *options), settings)


def _adds(
    section: Section,
    running: Running,
    shape: Shape,
    large: str,
    small: str,
    settings: Settings,
) -> None:
    """Adds to as many sessions as the small database has, and to all of the large one's in turn."""
    some, all_of_them = str(SMALL.sessions), str(shape.sessions)
    ours, theirs = f"adds, {large}", f"adds, {small}"
    everywhere = f"adds to all {shape.sessions:,} sessions, {large}"
    contenders = {
        ours: lambda: _many_adds(running, some, settings),
        theirs: lambda: _adds_to_small(some, settings),
        everywhere: lambda: _many_adds(running, all_of_them, settings),
    }
    section.samples |= in_turn(contenders, settings.rounds)
    section.compare("4", f"8 x 8 adds in flight, {large}", RATE, ours, theirs, at_least(0.8))
    section.compare("", everywhere, RATE, everywhere, theirs)
    # Callers may make such request_ids. This load is the last, since it fills the log with pages.
    random, again = f"adds with random request_ids, {large}", f"{theirs}, again"
    contenders = {
        random: lambda: _many_adds(running, some, settings, "--random-request-ids"),
        again: lambda: _adds_to_small(some, settings),
    }
    section.samples |= in_turn(contenders, settings.rounds)
    section.compare("", random, RATE, random, again)


def _many_adds(running: Running, sessions: str, settings: Settings, *options: str) -> Sample:
    command = ttrpc_load(running.socket, 8, 8, "--sessions", sessions, *options)
    return under_load(running, command, settings)


def _adds_to_small(sessions: str, settings: Settings) -> Sample:
    with copy(SMALL) as path, Running(feedbackd(f"sqlite:{path}")) as running:
        return _many_adds(running, sessions, settings)
