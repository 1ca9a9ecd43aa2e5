"""What a provider can do wrong, on command."""

from enum import StrEnum


class Trouble(StrEnum):
    FAILS = "500"
    IS_AWAY = "503"
    RATE_LIMITS = "429"
    DENIES_THE_KEY = "401"
    REFUSES_CONTENT = "content"
    FINDS_IT_TOO_LONG = "too long"
    SENDS_NO_AUDIO = "no audio"
    SENDS_A_PAGE = "a web page instead of audio"
    SENDS_GARBAGE = "random bytes under the right name"
    SENDS_TOO_MUCH = "no end of bytes"
    SENDS_PACKED = "a few bytes that unpack to many"
    TRUNCATES = "half of it, then the connection breaks"
    HANGS_UP = "closes the socket instead of an answer"
    STALLS = "never answers"
