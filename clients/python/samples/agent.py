"""An agent at the terminal that asks for a thumb after each of its answers.

    python agent.py [SOCKET]

It answers by rules instead of a language model; put yours in `answer`. An empty line, or the end of
the input, ends the talk and shows what people think of the agent.
"""

import sys
import uuid

from feedbackd import Author, AuthorSource, FeedbackClient, FeedbackError

AGENT = "sample-agent"
THUMBS = {"+": "up", "-": "down", "": None}


def answer(question: str) -> str:
    """Returns the agent's answer."""
    text = question.lower()
    if "weather" in text:
        return "Take an umbrella, to be safe."
    if text.endswith("?"):
        return "That depends. Tell me more."
    return f"You said: {question}"


def ask(prompt: str) -> str:
    """A line from the terminal; empty at its end."""
    try:
        return input(prompt).strip()
    except EOFError:
        print()
        return ""


def ask_for_thumb() -> str | None:
    while True:
        thumb = ask("  + thumbs up, - thumbs down, Enter for neither: ")
        if thumb in THUMBS:
            return THUMBS[thumb]
        print("  Please type + or - or nothing.")


def main(socket: str | None = None) -> None:
    session = f"terminal-{uuid.uuid4()}"
    with FeedbackClient(socket) as client:
        print("Ask me something; an empty line ends the talk.")
        turn = 0
        while question := ask("you> "):
            turn += 1
            print(f"agent> {answer(question)}")
            rating = ask_for_thumb()
            comment = ask("  what was wrong? ") if rating == "down" else ""
            try:
                client.add_feedback(
                    session,
                    rating,
                    comment,
                    message_id=f"{session}/{turn}",
                    agent_id=AGENT,
                    author=Author(AuthorSource.HUMAN),
                )
            except FeedbackError as error:
                # The talk goes on whatever becomes of the feedback.
                print(f"  not recorded: {error}")

        metrics = client.get_metrics(session).metrics
        print(f"{metrics.total} answers: {metrics.positive} up, {metrics.negative} down,", end=" ")
        print(f"{metrics.neutral} without a thumb; approval {metrics.approval_rate:.0f} %")
        for feedback in client.list_feedbacks(session, ratings=["down"], has_comment=True):
            print(f"wrong: {feedback.comment}")


if __name__ == "__main__":
    main(*sys.argv[1:])
