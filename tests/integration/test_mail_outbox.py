"""Notices leave as mails by real SMTP, against a server that fails on command."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio

from control_plane.mail.opening import open_carrier
from control_plane.mail.outbox import ATTEMPTS_MAX, BATCH_MAX, Outbox
from control_plane.mail.settings import MailSettings
from shared.db import Pool, open_pool
from shared.settings import PostgresSettings
from tests import builders
from tests.fakes.certificates import certified
from tests.fakes.smtp import LOSE, STALL, SmtpServer, smtp_server

FROM = "Sexycall <till@shop.test>"
RECEIPT = {"amount": 1000, "currency": "usd", "credits": 25_000_000_000}


@pytest_asyncio.fixture
async def pool(db_dsn: str) -> AsyncIterator[Pool]:
    settings = PostgresSettings.model_validate({"database_url": db_dsn})
    pool = await open_pool(settings, application_name="tests")
    yield pool
    await pool.close()


@pytest_asyncio.fixture
async def server() -> AsyncIterator[SmtpServer]:
    async with smtp_server() as running:
        yield running


def outbox_to(pool: Pool, url: str, *, lease_s: float = 60.0, **settings: object) -> Outbox:
    chosen = MailSettings.model_validate(
        {"mail_url": url, "mail_from": FROM, "mail_timeout_s": 2.0, **settings}
    )
    carrier = open_carrier(chosen)
    assert carrier is not None
    return Outbox(pool, carrier, FROM, lease_s=lease_s)


def plain(server: SmtpServer) -> str:
    return f"smtp+plain://127.0.0.1:{server.port}"


async def notice(
    pool: Pool,
    *,
    address: str | None = "somebody@example.test",
    kind: str = "receipt",
    payload: dict[str, object] | None = None,
) -> UUID:
    async with pool.acquire() as connection:
        account = await builders.account(connection)  # type: ignore[arg-type]  # a pool's
        await connection.execute(
            "update profiles set mail_address = $2 where id = $1", account.user_id, address
        )
        made: UUID = await connection.fetchval(
            "insert into notices(user_id, kind, dedupe_key, payload) values ($1, $2, 'x', $3)"
            " returning id",
            account.user_id,
            kind,
            RECEIPT if payload is None else payload,
        )
    return made


async def mail(pool: Pool, notice_id: UUID) -> asyncpg.Record:
    row = await pool.fetchrow(
        "select m.*, n.sent_at from mails m join notices n on n.id = m.notice_id"
        " where m.notice_id = $1",
        notice_id,
    )
    assert row is not None
    return row


async def make_due(pool: Pool) -> None:
    await pool.execute("update mails set due_at = now() where state in ('waiting', 'sending')")


async def test_a_notice_becomes_one_mail(pool: Pool, server: SmtpServer) -> None:
    made = await notice(pool)
    outbox = outbox_to(pool, plain(server))
    assert (await outbox.round(), await outbox.round()) == (1, 0)
    [received] = server.received
    assert (received.sender, received.recipients) == ("till@shop.test", ["somebody@example.test"])
    assert received.letter["Message-ID"] == f"<{made}@shop.test>"
    body = received.letter.get_body(("plain",))
    assert body is not None
    assert "25,000 credits" in body.get_content()
    row = await mail(pool, made)
    assert (row["state"], row["attempts"], row["sent_at"] is not None) == ("sent", 1, True)


async def test_many_senders_at_once_send_each_mail_once(pool: Pool, server: SmtpServer) -> None:
    ids = {await notice(pool) for _ in range(30)}
    boxes = [outbox_to(pool, plain(server)) for _ in range(4)]
    while sum(await asyncio.gather(*(box.round() for box in boxes))):
        pass
    sent = [one.letter["Message-ID"] for one in server.received]
    assert sorted(sent) == sorted(f"<{one}@shop.test>" for one in ids)


async def test_the_state_is_written_before_the_first_byte(pool: Pool, server: SmtpServer) -> None:
    made = await notice(pool)
    server.fail("connect", STALL)
    sending = asyncio.create_task(outbox_to(pool, plain(server)).round())
    async with asyncio.timeout(5):
        while (await mail(pool, made))["state"] != "sending":
            await asyncio.sleep(0.01)
    assert (await mail(pool, made))["attempts"] == 1
    assert await sending == 0
    row = await mail(pool, made)
    assert (row["state"], row["error"], row["attempts"]) == ("waiting", "no_server", 0)


async def test_a_lost_reply_is_sent_again_under_the_same_name(
    pool: Pool, server: SmtpServer
) -> None:
    """The server took the mail and died before it said so: nobody can know."""
    made = await notice(pool)
    server.fail("accepted", LOSE)
    outbox = outbox_to(pool, plain(server))
    assert await outbox.round() == 0
    row = await mail(pool, made)
    assert (row["state"], row["error"], row["sent_at"]) == ("waiting", "connection_lost", None)
    await make_due(pool)
    assert await outbox.round() == 1
    assert [one.letter["Message-ID"] for one in server.received] == [f"<{made}@shop.test>"] * 2


async def test_a_sender_that_died_is_succeeded_after_its_lease(
    pool: Pool, server: SmtpServer
) -> None:
    made = await notice(pool)
    server.fail("accepted", STALL)
    dying = asyncio.create_task(outbox_to(pool, plain(server), mail_timeout_s=60.0).round())
    async with asyncio.timeout(5):
        while not server.received:
            await asyncio.sleep(0.01)
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    outbox = outbox_to(pool, plain(server))
    assert await outbox.round() == 0  # the lease is still another's
    await make_due(pool)
    assert await outbox.round() == 1
    row = await mail(pool, made)
    assert (row["state"], row["run"], row["attempts"]) == ("sent", 2, 2)


@pytest.mark.parametrize(
    ("moment", "answer", "state", "error"),
    [
        ("rcpt", "550 5.1.1 no such user", "failed", "recipient_refused"),
        ("rcpt", "451 4.7.1 greylisted", "waiting", "recipient_refused"),
        ("accepted", "554 5.7.1 spam", "failed", "data_refused"),
        ("accepted", "452 4.3.1 disk full", "waiting", "data_refused"),
        ("data", "421 4.3.2 shutting down", "waiting", "data_refused"),
        ("mail", "550 5.7.1 not your address", "waiting", "sender_refused"),
        ("connect", "554 go away", "waiting", "no_server"),
        ("connect", LOSE, "waiting", "no_server"),
        ("rcpt", LOSE, "waiting", "connection_lost"),
        ("accepted", STALL, "waiting", "connection_lost"),
    ],
)
async def test_every_refusal_is_understood(
    pool: Pool, server: SmtpServer, *, moment: str, answer: str, state: str, error: str
) -> None:
    made = await notice(pool)
    server.fail(moment, answer)
    outbox = outbox_to(pool, plain(server), mail_timeout_s=0.5)
    assert await outbox.round() == 0
    row = await mail(pool, made)
    assert (row["state"], row["error"]) == (state, error)
    await make_due(pool)
    assert await outbox.round() == (state == "waiting")


async def test_one_bad_mailbox_stops_no_other(pool: Pool, server: SmtpServer) -> None:
    ids = [await notice(pool) for _ in range(3)]
    server.fail("rcpt", "550 no such user")
    assert await outbox_to(pool, plain(server)).round() == 2
    assert [(await mail(pool, one))["state"] for one in ids] == ["failed", "sent", "sent"]
    assert server.connections == 1


async def test_patience_ends(pool: Pool, server: SmtpServer) -> None:
    made = await notice(pool)
    server.fail("rcpt", "451 later", times=ATTEMPTS_MAX)
    outbox = outbox_to(pool, plain(server))
    for _ in range(ATTEMPTS_MAX):
        assert await outbox.round() == 0
        await make_due(pool)
    row = await mail(pool, made)
    assert (row["state"], row["attempts"]) == ("failed", ATTEMPTS_MAX)
    assert await outbox.round() == 0


async def test_pauses_become_longer(pool: Pool, server: SmtpServer) -> None:
    made = await notice(pool)
    server.fail("rcpt", "451 later", times=4)
    outbox = outbox_to(pool, plain(server))
    pauses = []
    for _ in range(4):
        await outbox.round()
        pauses.append(
            await pool.fetchval(
                "select round(extract(epoch from due_at - now()) / 10) * 10 from mails"
                " where notice_id = $1",
                made,
            )
        )
        await make_due(pool)
    assert [int(pause) for pause in pauses] == [60, 120, 240, 480]


async def test_a_server_that_is_away_costs_no_attempts(pool: Pool) -> None:
    async with smtp_server() as gone:
        url = plain(gone)
    ids = [await notice(pool) for _ in range(3)]
    for _ in range(ATTEMPTS_MAX + 1):
        assert await outbox_to(pool, url).round() == 0
        await make_due(pool)
    assert {(await mail(pool, one))["attempts"] for one in ids} == {0}


@pytest.mark.parametrize(
    ("address", "error"),
    [(None, "no_address"), ("a@b.test\r\nBcc: c@d.test", "bad_address")],
)
async def test_who_cannot_be_written_to_is_skipped(
    pool: Pool, server: SmtpServer, address: str | None, error: str
) -> None:
    made = await notice(pool, address=address)
    assert await outbox_to(pool, plain(server)).round() == 0
    row = await mail(pool, made)
    assert (row["state"], row["error"], row["sent_at"]) == ("skipped", error, None)
    assert server.connections == 0


async def test_old_news_is_not_sent(pool: Pool, server: SmtpServer) -> None:
    made = await notice(pool)
    await pool.execute("update notices set created_at = now() - interval '73 hours'")
    assert await outbox_to(pool, plain(server)).round() == 0
    assert (await mail(pool, made))["error"] == "too_old"


async def test_a_notice_without_its_sums_is_given_up(pool: Pool, server: SmtpServer) -> None:
    made = await notice(pool, payload={"prompt": "secret words"})
    other = await notice(pool)
    assert await outbox_to(pool, plain(server)).round() == 1
    assert (await mail(pool, made))["error"] == "bad_notice"
    assert (await mail(pool, other))["state"] == "sent"
    assert b"secret words" not in b"".join(one.data for one in server.received)


async def test_people_are_written_to_in_the_language_of_their_last_call(
    pool: Pool, server: SmtpServer
) -> None:
    made = await notice(pool)
    user_id = await pool.fetchval("select user_id from notices where id = $1", made)
    for language in ("fr", "de"):
        await pool.execute(
            "with call as (insert into call_sessions(id, user_id, price_microcredits_per_minute,"
            " max_seconds, rate_card_version, state, ended_at)"
            " values (gen_random_uuid(), $1, 1, 1, 1, 'expired', now()) returning id)"
            " insert into call_configs(call_id, room_name, plan, model, voice, language,"
            " instructions, greeting, free_call)"
            " select id, id::text, 'free', 'm', 'Ara', $2, '', '', true from call",
            user_id,
            language,
        )
    assert await outbox_to(pool, plain(server)).round() == 1
    assert server.received[0].letter["Subject"].startswith("Ihre Zahlung")


async def test_a_password_travels_encrypted_only(pool: Pool, tmp_path: Path) -> None:
    context, ca_file = certified(tmp_path)
    made = await notice(pool)
    async with smtp_server(tls=context, password="p@ss word") as server:
        url = f"smtp://us%40er:p%40ss%20word@127.0.0.1:{server.port}"
        assert await outbox_to(pool, url).round() == 0  # nobody vouches for this certificate
        assert (await mail(pool, made))["error"] == "tls_failed"
        await make_due(pool)
        assert await outbox_to(pool, url, mail_ca_file=str(ca_file)).round() == 1
        [received] = server.received
        assert (received.is_encrypted, received.user) == (True, "us@er")
        assert not [line for line in server.lines if line.startswith(("AUTH", "MAIL"))]


async def test_without_starttls_nothing_is_sent_in_clear(pool: Pool, tmp_path: Path) -> None:
    context, ca_file = certified(tmp_path)
    await notice(pool)
    async with smtp_server(tls=context, offers_starttls=False, password="p") as server:
        url = f"smtp://u:p@127.0.0.1:{server.port}"
        assert await outbox_to(pool, url, mail_ca_file=str(ca_file)).round() == 0
        assert (server.received, [one for one in server.lines if "AUTH" in one]) == ([], [])


async def test_tls_from_the_start(pool: Pool, tmp_path: Path) -> None:
    context, ca_file = certified(tmp_path)
    await notice(pool)
    async with smtp_server(tls=context, tls_at_once=True, password="p") as server:
        url = f"smtps://u:p@127.0.0.1:{server.port}"
        assert await outbox_to(pool, url, mail_ca_file=str(ca_file)).round() == 1


async def test_a_wrong_password_is_tried_again_later(pool: Pool, tmp_path: Path) -> None:
    context, ca_file = certified(tmp_path)
    made = await notice(pool)
    async with smtp_server(tls=context, password="right") as server:
        url = f"smtp://u:wrong@127.0.0.1:{server.port}"
        assert await outbox_to(pool, url, mail_ca_file=str(ca_file)).round() == 0
    row = await mail(pool, made)
    assert (row["state"], row["error"], row["attempts"]) == ("waiting", "login_refused", 0)


async def test_a_folder_takes_the_place_of_a_server(pool: Pool, tmp_path: Path) -> None:
    ids = [await notice(pool) for _ in range(BATCH_MAX + 1)]
    outbox = outbox_to(pool, f"file://{tmp_path}/mail%20box")
    assert (await outbox.round(), await outbox.round(), await outbox.round()) == (BATCH_MAX, 1, 0)
    files = sorted(path.name for path in (tmp_path / "mail box").iterdir())
    assert files == sorted(f"{one}.eml" for one in ids)
    assert json.dumps(RECEIPT) not in (tmp_path / "mail box" / files[0]).read_text()
