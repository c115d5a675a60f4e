"""The place of a sample of processor time: a part of the daemon, a library or the kernel."""

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from perf import UNKNOWN, Frame, Stack

#: System calls that are reported together; all others are reported by their own names.
SYSTEM_CALLS = {
    "sending": "sendto sendmsg sendmmsg",
    "receiving": "recvfrom recvmsg recvmmsg",
    "waiting for events": "epoll_wait epoll_pwait epoll_pwait2 epoll_ctl poll ppoll select",
    "fdatasync": "fdatasync fsync sync_file_range",
    "file reads and writes": "read write readv writev pread64 pwrite64 preadv pwritev lseek",
    "file locks and sizes": "fcntl newfstat newfstatat newstat fstat statx ftruncate fallocate",
    "futex": "futex futex_wait futex_wake",
    "page faults and mappings": "mmap munmap mprotect mremap madvise brk",
}
GROUPS = {call: group for group, calls in SYSTEM_CALLS.items() for call in calls.split()}
#: `__x64_sys_write`, or `ksys_write` and `__sys_sendmsg`, which it may have jumped to.
SYSTEM_CALL = re.compile(r"(?:__(?:x64_|arm64_|se_)?|k)sys_(\w+)")
#: The functions that `read` and `write` call for a socket.
SOCKETS = {"sock_read_iter": "receiving", "sock_write_iter": "sending"}
#: Functions through which the kernel lets another thread run, or a sleeping one run again.
SWITCHING = {"schedule", "__schedule", "schedule_idle", "preempt_schedule_common"}
WAKING = re.compile(
    r"try_to_wake_up|wake_up_q|wake_up_process|__wake_up\w*|sock_def_readable|eventfd_write"
)
INTERRUPT = re.compile(r"asm_sysvec_\w+|asm_common_interrupt|(handle|do)_softirqs?")
PAGE_FAULT = {"exc_page_fault", "asm_exc_page_fault", "do_page_fault", "do_mem_abort"}

REFERENCE_COUNTS = re.compile(
    r"_?swift_(\w*([rR]etain|[rR]elease)|isUniquelyReferenced)|swift::\w*RefCount"
)
#: The first name of a Swift symbol, with its length before it.
MODULE = re.compile(r"\$s(\d+)(\w+)")
#: Matches code that a module adds to another module's type.
EXTENSION = re.compile(r"(?:^|\b(?:of|in|for) )\(extension in (\w+)\)")
SWIFT_MODULES = {
    "Swift": "Swift: standard library",
    "Synchronization": "Swift: mutexes and atomics",
}
#: C code in the daemon's file; other code there that is not Swift is Swift's runtime, in C++.
C_CODE = {
    re.compile(r"_?dispatch_|_Block_|block_"): "Dispatch",
    re.compile(r"(feedback|google|grpc|ttrpc)__"): "generated C code",
    re.compile(r"CCryptoBoringSSL"): "BoringSSL",
}
LIBC = {
    "libc: malloc and free": re.compile(
        r"mall(oc|info|opt)|calloc|realloc|free|memalign|unlink_chunk|systrim|tcache|arena_get"
    ),
    "libc: copies and comparisons": re.compile(r"_*(mem|str|wcs)\w+"),
}


def places(stacks: list[Stack], daemon: str) -> list[str]:
    """Returns the place of each sample; `daemon` is the path of the daemon's file."""
    leaves = [stack[0] for stack in stacks]
    names = demangled({leaf.symbol for leaf in leaves}, "--compact")
    return [_place(stack, daemon, names) for stack in stacks]


def demangled(symbols: Iterable[str], *options: str) -> dict[str, str]:
    """Returns the names of Swift symbols in the source, by their mangled names."""
    mangled = sorted(symbol for symbol in symbols if symbol.startswith("$s"))
    result = subprocess.run(
        ["swift", "demangle", *options], input="\n".join(mangled), capture_output=True, text=True
    )
    return dict(zip(mangled, result.stdout.splitlines()))


def library(file: str) -> str:
    """Returns a file's name without versions: `libsqlite3` of `/usr/lib/libsqlite3.so.0.8.6`."""
    return Path(file).name.split(".so")[0]


def _place(stack: Stack, daemon: str, names: dict[str, str]) -> str:
    leaf = stack[0]
    if leaf.is_kernel:
        return f"kernel: {_kernel_place(stack)}"
    if leaf.file == daemon:
        return _own_place(leaf.symbol, names)
    if leaf.file == "[vdso]":
        return "clock"
    name = library(leaf.file)
    if name == "libc":
        return next((part for part, it in LIBC.items() if it.search(leaf.symbol)), "libc: all else")
    return name


def _kernel_place(stack: Stack) -> str:
    """Returns what the kernel did: the system call, unless it switched or woke threads."""
    symbols = [frame.symbol for frame in stack if frame.is_kernel]
    calls = [call[1] for call in map(SYSTEM_CALL.fullmatch, symbols) if call]
    if "sched_yield" in calls:
        return "yielding"
    if not SWITCHING.isdisjoint(symbols):
        return "switching threads"
    if any(map(WAKING.fullmatch, symbols)):
        return "waking threads"
    if any(map(INTERRUPT.fullmatch, symbols)):
        return "interrupts"
    if not PAGE_FAULT.isdisjoint(symbols):
        return "page faults and mappings"
    for symbol in SOCKETS.keys() & symbols:
        return SOCKETS[symbol]
    # The outermost one is the requested system call.
    return GROUPS.get(calls[-1], calls[-1]) if calls else "way in and out"


def _own_place(symbol: str, names: dict[str, str]) -> str:
    """Returns the place of a function in the daemon's file, which contains Swift's libraries."""
    if REFERENCE_COUNTS.match(symbol):
        return "Swift: reference counts"
    if symbol.startswith("$s"):
        return _swift_place(symbol, names.get(symbol, ""))
    if symbol == UNKNOWN:
        return "feedbackd: all else"
    return next((name for it, name in C_CODE.items() if it.match(symbol)), "Swift: runtime")


def _swift_place(symbol: str, name: str) -> str:
    """Returns the module to which the code belongs."""
    if extension := EXTENSION.search(name):
        return _module(extension[1])
    if module := MODULE.match(symbol):
        return _module(module[2][: int(module[1])])
    is_standard = re.match(r"\$s(s|S[^o])", symbol)
    return "Swift: standard library" if is_standard else "feedbackd: all else"


def _module(name: str) -> str:
    """Returns the place of a module's code; several of Swift's own are reported together."""
    if name in SWIFT_MODULES:
        return SWIFT_MODULES[name]
    return "Foundation" if name.startswith("Foundation") else name


def title(frame: Frame, names: dict[str, str]) -> str:
    """Returns a function's name for people."""
    if frame.symbol == UNKNOWN:
        return f"functions without names in {library(frame.file)}"
    # The suffixes are the compilers' marks of copies, and symbol versions.
    plain = re.sub(r"\.(isra|constprop|part|cold)\b[.\d]*|@+GLIBC[_.\d]+", "", frame.symbol)
    return names.get(plain, plain).replace("specialized ", "")
