"""Profiles of the daemon's processor time in the situations whose goals are hard to reach."""

import perf
from dataset import SMALL, Shape, copy, scratch_folder
from durable import new_file
from hooks import SHAPE, STORM, hooked
from measure import RATE, Section, Settings, grpc_load, last_cpu, ttrpc_load
from mongodb import SESSIONS, replica_set
from profiling import BATCHES, ONE_ADD, add_profile
from programs import LeftOut, Running, feedbackd, peer
from scale import QUICK_ROWS

NOTE = (
    "Linux's perf takes samples of all processors at a fixed rate (cpu-clock); here are those in"
    " which the server ran. The times are their shares of the processor time per call in the table,"
    " which was measured right before, without perf. What the kernel does with interrupts off is"
    " counted for the function that lets them in again, such as `_raw_spin_unlock_irqrestore`, and"
    " a switch of threads, in `finish_task_switch`, for the thread that it goes to. Generic code"
    " of Swift's library counts as the library's, also where it was compiled for a type of the"
    " daemon's."
)
#: Longer than the others, since there are fewer calls to take samples of.
LOW_LOAD_TIMES = 4


def profiles(settings: Settings) -> Section:
    """Where the daemon's processor time goes."""
    section = Section("profiles", "Where the daemon's processor time goes")
    perf.require()
    section.notes.append(NOTE)
    for measure in (_memory, _sqlite, _scale, _hooks, _storm, _grpc, _mongodb):
        try:
            measure(section, settings)
        except LeftOut as reason:
            section.notes.append(f"Left out: {reason}.")
    return section


def _memory(section: Section, settings: Settings) -> None:
    """Profiles goal 1, also of a bare echo, and goals 2 and 6."""
    cpu = last_cpu()
    with Running(feedbackd(), cpu) as running:
        load = ttrpc_load(running.socket, 1, 1)
        add_profile(section, "one call, memory, on one core", running, load, settings, cpu=cpu)
    with Running(peer("echo-c"), cpu) as running:
        load = ttrpc_load(running.socket, 1, 1)
        add_profile(section, "one call, bare echo, on one core", running, load, settings, cpu=cpu)
    with Running(feedbackd()) as running:
        load = ttrpc_load(running.socket, 1, 64)
        add_profile(section, "1 x 64, memory", running, load, settings)
    with Running(feedbackd()) as running:
        load = ttrpc_load(running.socket, 8, 8)
        add_profile(section, "8 x 8, memory", running, load, settings)
        rate = RATE.of(section.samples["8 x 8, memory"][0]) / 100
        slow = [*load, "--rate", str(rate)]
        seconds = settings.seconds * LOW_LOAD_TIMES
        add_profile(section, "8 x 8, memory, 1 % load", running, slow, settings, seconds=seconds)


def _sqlite(section: Section, settings: Settings) -> None:
    """Profiles goal 3."""
    with scratch_folder() as folder:
        with Running(feedbackd(f"sqlite:{new_file(folder)}")) as running:
            load = ttrpc_load(running.socket, 1, 1)
            add_profile(section, "one add, SQLite", running, load, settings, way=ONE_ADD)
        with Running(feedbackd(f"sqlite:{new_file(folder)}")) as running:
            load = ttrpc_load(running.socket, 8, 8)
            add_profile(section, "8 x 8 adds, SQLite", running, load, settings, way=BATCHES)


def _scale(section: Section, settings: Settings) -> None:
    """Profiles goal 4 with fewer rows, which are made quickly."""
    with copy(Shape(QUICK_ROWS)) as path, Running(feedbackd(f"sqlite:{path}")) as running:
        load = ttrpc_load(running.socket, 8, 8, "--sessions", str(SMALL.sessions))
        name = f"8 x 8 adds, SQLite, {QUICK_ROWS:,} rows"
        add_profile(section, name, running, load, settings, way=BATCHES)


def _hooks(section: Section, settings: Settings) -> None:
    with hooked() as server, Running(server) as running:
        load = ttrpc_load(running.socket, *SHAPE)
        add_profile(section, "8 x 8, memory, metrics, four hooks", running, load, settings)


def _storm(section: Section, settings: Settings) -> None:
    with scratch_folder() as folder:
        config = folder / "hooks.yaml"
        config.write_text(STORM)
        store = f"sqlite:{new_file(folder)}"
        with Running(feedbackd(store, options=["--config", str(config)])) as running:
            load = ttrpc_load(running.socket, *SHAPE)
            name = "8 x 8 adds, SQLite, alert storm"
            add_profile(section, name, running, load, settings, way=BATCHES)


def _grpc(section: Section, settings: Settings) -> None:
    with Running(feedbackd()) as running:
        load = grpc_load(running.socket, 8, 8)
        add_profile(section, "8 x 8, memory, gRPC", running, load, settings)


def _mongodb(section: Section, settings: Settings) -> None:
    with replica_set() as mongod, Running(feedbackd(mongod.uri)) as running:
        load = ttrpc_load(running.socket, 8, 8, "--sessions", str(SESSIONS))
        others = {"mongod": mongod.pid}
        add_profile(section, "8 x 8 adds, MongoDB", running, load, settings, others=others)
