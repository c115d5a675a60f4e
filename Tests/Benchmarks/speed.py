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
        # The picture wants all of them, the goal one.
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
    full_load: list[Sample] = []
    low_load: list[Sample] = []
    for _ in range(settings.rounds):
        with Running(feedbackd()) as running:
            command = ttrpc_load(running.socket, 8, 8)
            full = under_load(running, command, settings)
            rate = ["--rate", str(RATE.of(full) / 100)]
            # Longer than the full load, since there are fewer calls to take the mean of.
            low = under_load(running, [*command, *rate], settings, seconds=settings.seconds * 2)
        full_load.append(full)
        low_load.append(low)
    ours, theirs = "feedbackd, 1 % load", "feedbackd, full load"
    section.samples = {ours: low_load, theirs: full_load}
    section.compare("6", "CPU per call at 1 % load", CPU, ours, theirs, at_most(1.5))
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
