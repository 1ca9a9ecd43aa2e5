"""When does a call that waits for its models stand still?"""

from agent.engines.reach import Reach


def reach() -> tuple[Reach, list[str]]:
    told: list[str] = []
    return (
        Reach(
            on_lost=lambda: told.append("lost"),
            on_answered=lambda: told.append("answered"),
            on_refused=told.append,
        ),
        told,
    )


def test_one_question_in_trouble_stops_the_call_until_it_is_answered() -> None:
    asked, told = reach()
    asked.ask("a")
    asked.trouble("a")
    asked.trouble("a")
    assert told == ["lost"]
    asked.calm("a")
    assert told == ["lost", "answered"]


def test_an_answer_to_another_question_does_not_start_it_again() -> None:
    asked, told = reach()
    asked.ask("a")
    asked.ask("b")
    asked.trouble("a")
    asked.calm("b")
    asked.end("b")
    assert told == ["lost"]
    assert asked.is_troubled


def test_a_question_nobody_waits_for_any_more_troubles_nobody() -> None:
    asked, told = reach()
    asked.ask("a")
    asked.trouble("a")
    asked.end("a")
    assert told == ["lost", "answered"]
    asked.trouble("a")  # a timer that was late
    assert told == ["lost", "answered"]
    assert not asked.is_asking
