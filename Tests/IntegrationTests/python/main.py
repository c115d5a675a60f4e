"""Calls feedbackd with gRPC's own Python library, to show that the daemon speaks gRPC as others
understand it.

Every subcommand exits with 0 when all was as the API promises. Otherwise it prints what was
expected and what came, and exits with 1.

The modules of the messages are generated from the .proto files; PYTHONPATH names their folder.
"""

import importlib
import sys

USAGE = """usage: main.py SOCKET SUBCOMMAND
  all                     call every method and check every field of the replies
  errors                  provoke errors; check codes, messages and details
  transport               metadata, compression, deadlines and cancellation
  parallel SESSION N      N calls on one channel at the same time
  keepalive               ping every second, busy and idle
  health                  Check and Watch of every service
  watch                   print what Watch says, until the server ends it
  changes                 call WatchFeedbacks in every way
  follow                  print what WatchFeedbacks says, until the server ends it
  reflection              list the services and call one, without the .proto files
  unserved                call and set what the .proto files declare and the daemon does not serve,
                          and print its methods as "SERVICE METHOD"
  raw METHOD HEX          call a method with these bytes; print the reply's
  load SESSION N          add on each of N connections until the server ends; print the
                          acknowledged as "ack REQUEST_ID FEEDBACK_ID"
  interop CASE            one of gRPC's interoperability cases
"""

# The module of each subcommand, with the number of its arguments. A module is imported only for
# its own: reflection is tried without the generated code.
SUBCOMMANDS = {
    "all": ("all_methods", 0),
    "errors": ("errors", 0),
    "transport": ("transport", 0),
    "parallel": ("parallel", 2),
    "keepalive": ("keepalive", 0),
    "health": ("health", 0),
    "watch": ("watch", 0),
    "changes": ("changes", 0),
    "follow": ("follow", 0),
    "reflection": ("reflection", 0),
    "unserved": ("unserved", 0),
    "raw": ("raw", 2),
    "load": ("load", 2),
    "interop": ("interop", 1),
}


def main(arguments):
    if len(arguments) < 2 or arguments[1] not in SUBCOMMANDS:
        print(USAGE, file=sys.stderr, end="")
        return 64
    socket, name, *rest = arguments
    module, count = SUBCOMMANDS[name]
    if len(rest) != count:
        print(USAGE, file=sys.stderr, end="")
        return 64
    return importlib.import_module(module).run(socket, *rest)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
