"""What the agent says first when its voice model is there again."""

from agent.owed_answer import Due

GO_ON = (
    "A technical fault cut your last answer off. These words of it were heard: <<{words}>>. "
    "Go on exactly where it stopped. Do not repeat them, do not apologise, do not mention "
    "the fault."
)


def instructions_for(due: Due) -> str | None:
    """What to tell the model; None: it answers the caller's last words by itself."""
    if due.words:
        return GO_ON.format(words=due.words)
    return due.instructions or None
