"""Comparison of expected and actual results."""

import os
import sys
import traceback
import uuid

import grpc

# No call takes that long; it only turns a server that never answers into a failure.
CALL_TIMEOUT = 30


def run_steps(steps, *arguments):
    """Calls all steps, so that one run shows every failure, and returns the exit code."""
    failures = 0
    for step in steps:
        try:
            step(*arguments)
        except Exception:
            failures += 1
            print(f"{step.__name__}: {shorten(traceback.format_exc())}", file=sys.stderr)
    if not failures:
        print(f"ok, {len(steps)} steps")
    return 1 if failures else 0


def expect(what, want, got):
    if want != got:
        raise AssertionError(f"{what}: expected {shorten(repr(want))}, got {shorten(repr(got))}")


def expect_error(what, code, word, call):
    """Makes a call that the server refuses with a code and a text that has the word in it."""
    try:
        reply = call()
    except grpc.RpcError as error:
        if error.code() != code or word not in error.details():
            raise AssertionError(
                f"{what}: expected {code} with {word!r}, got {error.code()}: {error.details()}"
            ) from None
        return error
    raise AssertionError(f"{what}: expected {code}, got {shorten(repr(reply))}")


def new_session(purpose):
    """Returns a session id that no other run uses in the same store."""
    return f"python-{purpose}-{uuid.uuid4().hex}"


def shorten(text, limit=2000):
    """Limits the length of a text in the output, such as of comments of 10,000 characters."""
    return text if len(text) <= limit else f"{text[:limit]}... ({len(text)} characters)"


def write_line(line):
    """Writes a line with one write at once: printed acknowledgements count as promised."""
    os.write(sys.stdout.fileno(), f"{line}\n".encode())
