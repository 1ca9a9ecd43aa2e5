"""
The texts of the service, from a shell that may reach the database. New calls have a change at once.

    python -m control_plane.characters list
    python -m control_plane.characters show NAME [--variant de]
    python -m control_plane.characters history NAME [--variant de]
    python -m control_plane.characters publish NAME FILE [--variant de] --by NAME --reason WHY
    python -m control_plane.characters rollback NAME VERSION [--variant de] --by NAME --reason WHY
    python -m control_plane.characters flag CHARACTER adult|everybody --by NAME --reason WHY

Version 0 is as shipped; `-` as FILE reads standard input. Changes are in the audit log, without the
words. Exit 0 when done, 1 when refused, with the reason.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from uuid import UUID

from billing import audit
from control_plane.characters import texts
from control_plane.errors import CharacterNotFound
from control_plane.shell import actor_of, add_responsible, run_command
from control_plane.store import characters
from control_plane.store import texts as store
from shared.db import Tx

LISTED_MAX: Final = 10_000
LINE_CHARS: Final = 72


async def run(tx: Tx, arguments: argparse.Namespace) -> str:
    """Do it; what to print. Raises AppError when it is refused."""
    match arguments.command:
        case "list":
            return await _list(tx)
        case "show":
            return (await texts.get(tx, arguments.name, arguments.variant)).body
        case "history":
            return await _history(tx, arguments)
        case "flag":
            return await _flag(tx, arguments)
        case _:
            return await _change(tx, arguments)


async def _list(tx: Tx) -> str:
    newest = {
        (one.name, one.variant): one for one in await store.newest_of_all(tx, limit=LISTED_MAX)
    }
    lines = []
    for name, variant in sorted({*texts.shipped(), *newest}):
        one = newest.get((name, variant))
        version, body = (one.version, one.body) if one else (0, texts.shipped()[name, variant])
        lines.append(f"{name:<50} {variant or '-':<6} {version:>4}  {_line(body)}")
    return "\n".join(lines)


async def _history(tx: Tx, arguments: argparse.Namespace) -> str:
    found = await texts.history(tx, name=arguments.name, variant=arguments.variant)
    lines = [
        f"{one.version:>4}  {one.created_at:%Y-%m-%d %H:%M}  {one.actor}  "
        f"{'as ' + str(one.restores) + ' again: ' if one.restores is not None else ''}"
        f"{one.reason}\n      {_line(one.body)}"
        for one in found
    ]
    shipped = texts.shipped().get((arguments.name, arguments.variant))
    if shipped is not None:
        lines.append(f"   0  as shipped\n      {_line(shipped)}")
    return "\n".join(lines) or "no such text"


async def _change(tx: Tx, arguments: argparse.Namespace) -> str:
    name, variant = arguments.name, arguments.variant
    actor, reason = actor_of(arguments), arguments.reason
    if arguments.command == "publish":
        text = await texts.publish(
            tx, name=name, variant=variant, body=arguments.body, actor=actor, reason=reason
        )
    else:
        text = await texts.rollback(
            tx, name=name, variant=variant, version=arguments.version, actor=actor, reason=reason
        )
    return f"{name} {variant or '-'}: version {text.version}"


async def _flag(tx: Tx, arguments: argparse.Namespace) -> str:
    reason, is_adult = audit.checked_reason(arguments.reason), arguments.audience == "adult"
    character_id: UUID = arguments.character
    if not await characters.flag_public(tx, character_id=character_id, is_adult=is_adult):
        raise CharacterNotFound
    await audit.record(
        tx,
        actor=actor_of(arguments),
        action="flag_character",
        user_id=None,
        reason=reason,
        details={"character_id": str(character_id), "is_adult": is_adult},
    )
    return f"{character_id}: for {'adults' if is_adult else 'everybody'}"


def _line(body: str) -> str:
    return body if len(body) <= LINE_CHARS else f"{body[: LINE_CHARS - 1]}…"


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m control_plane.characters")
    commands = top.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="all texts with their versions")
    for name, text in (
        ("show", "the words that count now"),
        ("history", "what was published before"),
        ("publish", "new words"),
        ("rollback", "the words of an earlier version again"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("name")
        if name == "publish":
            command.add_argument(
                "body", metavar="FILE", type=_words_of, help="- for standard input"
            )
        if name == "rollback":
            command.add_argument("version", type=int)
        command.add_argument("--variant", default="", help="a language, for referrals de-AT too")
        if name in ("publish", "rollback"):
            add_responsible(command)
    flag = commands.add_parser("flag", help="who may meet a public character")
    flag.add_argument("character", type=UUID)
    flag.add_argument("audience", choices=("adult", "everybody"))
    add_responsible(flag)
    return top


def _words_of(file: str) -> str:
    """Read before the database is asked for anything: standard input may be a person."""
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise argparse.ArgumentTypeError(type(error).__name__) from None


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    return run_command(lambda tx: run(tx, arguments))


if __name__ == "__main__":
    sys.exit(main())
