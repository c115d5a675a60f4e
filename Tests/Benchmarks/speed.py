"""Calls answered from memory: goals 1, 2 and 6, and gRPC."""

from measure import (
    CPU,
    P50,
    P99,
    RATE,
    Sample,
    Section,
    Settings,
    at_least,
    at_most,
    fresh,
    grpc_load,
    in_turn,
    last_cpu,
    ttrpc_load,
    under_load,
)
from programs import Running, feedbackd, peer

GRPC_PEER = "grpc-cpp-server"
TTRPC_PEERS = ["echo-c", "echo-dispatch", "ttrpc-go"]


def one_call(settings: Settings) -> Section:
    """Goal 1: one call in flight, server and client on the same core."""
    section = Section(
        "one_call", "One call in flight, memory store, server and client on the same core"
    )
    cpu = last_cpu()
    servers = [feedbackd(), *map(peer, TTRPC_PEERS)]
    contenders = {
        server.name: fresh(server, ttrpc_load, (1, 1), settings, cpu) for server in servers
    }
    contenders[GRPC_PEER] = fresh(peer(GRPC_PEER), grpc_load, (1, 1), settings, cpu)
    section.samples = in_turn(contenders, settings.rounds)
    section.compare("1", "one call, p50", P50, "feedbackd", "echo-c", at_most(1.6))
    for other in ["echo-dispatch", "ttrpc-go", GRPC_PEER]:
        section.compare("", "one call, p50", P50, "feedbackd", other)
    return section


def throughput(settings: Settings) -> Section:
    """Goal 2: many calls in flight."""
    section = Section("throughput", "Many calls in flight, memory store, all cores")
    shapes = {"8 x 8": (8, 8), "1 x 64": (1, 64)}
    for label, shape in shapes.items():
        # The chart shows all peers, the goal needs one.
        names = TTRPC_PEERS if label == "8 x 8" else ["ttrpc-go"]
        contenders = {
            f"{server.name}, {label}": fresh(server, ttrpc_load, shape, settings)
            for server in [feedbackd(), *map(peer, names)]
        }
        if label == "8 x 8":
            contenders[f"{GRPC_PEER}, {label}"] = fresh(peer(GRPC_PEER), grpc_load, shape, settings)
        section.samples |= in_turn(contenders, settings.rounds)
        ours, theirs = f"feedbackd, {label}", f"ttrpc-go, {label}"
        section.compare("2", f"{label} calls in flight", RATE, ours, theirs, at_least(4))
        section.compare("2", f"{label} calls in flight, p99", P99, ours, theirs, at_most(1))
    return section


def pay_as_you_go(settings: Settings) -> Section:
    """Goal 6: processor time per call at low load and at full load."""
    section = Section("pay_as_you_go", "Processor time per call, 8 x 8, memory store")
    section.notes.append(
        "At 1 % load each call wakes the server up for itself, and finds it with cold caches; at full"
        " load many share a wake-up. A bare echo shows how much of that is the system's: its 1 % are"
        " as many calls per second as feedbackd's."
    )
    servers = [feedbackd(), *map(peer, ["echo-c", "ttrpc-go"])]
    low, full = "{}, 1 % load", "{}, full load"
    section.samples = {name.format(server.name): [] for server in servers for name in (low, full)}
    for _ in range(settings.rounds):
        rate = 0.0
        for server in servers:
            with Running(server) as running:
                command = ttrpc_load(running.socket, 8, 8)
                loaded = under_load(running, command, settings)
                rate = rate or RATE.of(loaded) / 100
                # Longer than the full load, since there are fewer calls to take the mean of.
                seconds = settings.seconds * 2
                slow = [*command, "--rate", str(rate)]
                idle = under_load(running, slow, settings, seconds=seconds)
            section.samples[full.format(server.name)].append(loaded)
            section.samples[low.format(server.name)].append(idle)
    what, ours = "CPU per call at 1 % load", low.format("feedbackd")
    section.compare("6", what, CPU, ours, full.format("feedbackd"), at_most(1.5))
    for server in servers[1:]:
        section.compare("", what, CPU, ours, low.format(server.name))
    return section


def grpc(settings: Settings) -> Section:
    """gRPC by the same C++ client, against the C++ library's own server."""
    section = Section("grpc", "gRPC by the same C++ client, memory store")
    servers = [feedbackd(), peer(GRPC_PEER)]
    for label, shape in {"1 x 1": (1, 1), "8 x 8": (8, 8)}.items():
        contenders = {
            f"{server.name}, {label}": fresh(server, grpc_load, shape, settings)
            for server in servers
        }
        section.samples |= in_turn(contenders, settings.rounds)
    ours, theirs = "feedbackd, 1 x 1", f"{GRPC_PEER}, 1 x 1"
    section.compare("gRPC", "gRPC, one call, p50", P50, ours, theirs, at_most(0.7))
    ours, theirs = "feedbackd, 8 x 8", f"{GRPC_PEER}, 8 x 8"
    section.compare("gRPC", "gRPC, 8 x 8 calls in flight", RATE, ours, theirs, at_least(1.5))
    return section
