"""The errors of calls, and how a program tells them apart.

    python errors.py [SOCKET]
"""

import sys

from feedbackd import (
    DeadlineExceededError,
    FeedbackClient,
    FeedbackError,
    InvalidArgumentError,
    NotFoundError,
    UnavailableError,
)


def main(socket: str | None = None) -> None:
    with FeedbackClient(socket) as client:
        try:
            client.add_feedback("", "up", "x" * 20_000)
        except InvalidArgumentError as error:  # A ValueError too.
            for violation in error.violations:
                print(f"{violation.field} {violation.description}")

        try:
            client.get_metadata("nobody")
        except NotFoundError:  # A LookupError too.
            print("no such session")

    try:
        FeedbackClient("/nowhere/feedbackd.sock", timeout=0.5).add_feedback("user-123", "up")
    except UnavailableError as error:  # A ConnectionError too. Nothing was stored twice.
        print(f"{error.code.name}: {error}")
    except DeadlineExceededError:  # A TimeoutError too. Whether it was stored is not known.
        print("too late")
    except FeedbackError as error:  # All the others.
        print(f"{error.code.name}: {error}")


if __name__ == "__main__":
    main(*sys.argv[1:])
