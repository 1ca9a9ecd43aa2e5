"""Loudness turned into stretches of speech."""

from local.hearing import Hearing, Stretch


def heard(*loud: tuple[float, float]) -> Hearing:
    hearing = Hearing()
    for from_s, until_s in loud:
        hearing.hear(from_s=from_s, until_s=until_s)
    return hearing


def test_a_breath_between_sentences_does_not_end_a_stretch() -> None:
    assert heard((1.0, 2.0), (2.5, 3.0)).stretches == [Stretch(1.0, 3.0)]


def test_a_pause_ends_a_stretch() -> None:
    hearing = heard((1.0, 2.0), (2.6, 3.0))
    assert hearing.stretches == [Stretch(1.0, 2.0), Stretch(2.6, 3.0)]
    assert hearing.total_s == 1.4


def test_the_first_and_the_last_sound_are_known() -> None:
    hearing = heard((1.25, 2.0), (5.0, 6.5))
    assert (hearing.first_s, hearing.last_s) == (1.25, 6.5)


def test_nothing_heard_is_neither_speech_nor_quiet() -> None:
    hearing = Hearing()
    assert hearing.first_s is None
    assert not hearing.speaks(5.0)
    assert hearing.quiet_s(5.0) == 0


def test_somebody_speaks_until_a_pause_has_passed() -> None:
    hearing = heard((1.0, 2.0))
    assert hearing.speaks(2.5)
    assert not hearing.speaks(2.6)
    assert hearing.quiet_s(3.5) == 1.5


def test_an_answer_is_the_first_stretch_that_began_later() -> None:
    hearing = heard((1.0, 2.0), (4.0, 5.0), (8.0, 9.0))
    assert hearing.onset_after(1.5) == 4.0
    assert hearing.onset_after(8.5) is None
