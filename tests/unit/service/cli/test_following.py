"""Commands are followed to their ends: what is shown, when it is over, and the exit code that says the outcome."""

import asyncio
import json
from typing import Any

import pytest
from rich.console import Console

from schemas.events import ReplyKind
from service.cli import following
from service.cli.following import EXIT_TIME, Lines, LiveTable, Watched, code_of, follow, screen, seconds_of
from service.operator.commands.history import CommandHistory
from service.runtime.ports import LogError
from tests.support import terminal
from tests.support.published_records import NOW, PublishedTopics, error, event, notice, reply, sent, trained

COMMAND = sent()
IDENTITY = {(COMMAND.source, COMMAND.id): COMMAND.operation}


def ended(kind: ReplyKind, command_id: str = "weekly-1") -> Any:
    return notice(reply(sent(command_id), kind, NOW, error("Code", "why") if kind is not ReplyKind.SUCCEEDED else {}))


@pytest.mark.parametrize(("wait", "seconds"), [(True, None), (False, None), ("90", 90), ("1.5", 1.5), ("2h", 7200)])
def test_time_limits(wait: bool | str, seconds: float | None) -> None:
    assert seconds_of(wait) == seconds


def test_a_file_in_the_wrong_position_is_no_time() -> None:
    with pytest.raises(ValueError, match=r"found 'file\.yaml'; expected seconds"):
        seconds_of("file.yaml")


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (ReplyKind.SUCCEEDED, 0),
        (ReplyKind.FAILED, 4),
        (ReplyKind.REJECTED, 5),
        (ReplyKind.PARKED, 6),
        (ReplyKind.STARTED, 124),
    ],
)
def test_the_exit_code_says_the_outcome(kind: ReplyKind, code: int) -> None:
    watched = Watched(IDENTITY)
    assert not watched.ended
    watched.take([ended(kind)])
    assert watched.exit_code() == code
    assert watched.ended is (code != 124)


def test_of_several_the_highest_code_counts() -> None:
    watched = Watched({("/teams/op", each): "" for each in ("a", "b", "c")})
    watched.take([ended(ReplyKind.FAILED, "a"), ended(ReplyKind.PARKED, "b"), ended(ReplyKind.SUCCEEDED, "c")])
    assert (watched.ended, watched.exit_code()) == (True, 6)


def test_what_is_unknown_has_not_ended() -> None:
    assert code_of(CommandHistory(("", "s", "a"))) == EXIT_TIME


def test_others_are_not_shown() -> None:
    watched = Watched(IDENTITY)
    assert watched.take([ended(ReplyKind.FAILED, "other")]) == []
    news = watched.take([notice(each) for each in (*trained(COMMAND), *trained(COMMAND))])
    assert len(news) == 6


def test_of_all_some_may_be_chosen() -> None:
    here, there = notice(trained(COMMAND)[0]), notice(trained(sent("b", source="/b", correlation_id="c"))[0])
    assert Watched(None).take([here, there]) == [here, there]
    assert Watched(None, source="/b").take([here, there]) == [there]
    assert Watched(None, correlation="campaign-7").take([here, there]) == [here]
    assert not Watched(None).ended


def test_any_source_when_none_is_named() -> None:
    watched = Watched({("", "weekly-1"): ""})
    watched.take([ended(ReplyKind.SUCCEEDED)])
    assert watched.ended


def test_the_rejection_of_a_misused_id_is_the_answer() -> None:
    watched = Watched(IDENTITY)
    misuse = notice(reply(COMMAND, ReplyKind.REJECTED, NOW, error("IdMisuse", "used")))
    assert watched.take([misuse]) == [misuse]
    assert (watched.ended, watched.exit_code()) == (True, 5)


async def test_a_pipe_gets_a_line_for_each_news(capsys: pytest.CaptureFixture[str]) -> None:
    topics, watched = PublishedTopics(), Watched(IDENTITY)
    life = trained(COMMAND)
    topics.coming = [life[:2], [], [*life[2:5], reply(sent("other"), ReplyKind.ACCEPTED)], life[5:]]
    assert await follow(topics, {}, watched, Lines(as_json=False), None) == 0  # type: ignore[arg-type]
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[2] for line in lines] == ["accepted", "waiting", "started", "event", "succeeded"]


async def test_programs_get_json(capsys: pytest.CaptureFixture[str]) -> None:
    topics, watched = PublishedTopics(), Watched(IDENTITY)
    topics.coming = [[reply(COMMAND, ReplyKind.FAILED, NOW, error("X", "why"))]]
    assert await follow(topics, {}, watched, Lines(as_json=True), 5.0) == 4  # type: ignore[arg-type]
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["data"]["error"]["code"] == "X"


async def test_when_time_is_up_it_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    watched = Watched(IDENTITY)
    code = await follow(PublishedTopics(), {}, watched, Lines(as_json=False), 0.02)  # type: ignore[arg-type]
    assert code == EXIT_TIME
    told = capsys.readouterr().err
    assert told == "time is up: weekly-1: not ended. They go on; to follow: python -m service watch weekly-1\n"


async def test_an_id_that_was_never_heard_of_may_be_mistyped(capsys: pytest.CaptureFixture[str]) -> None:
    watched = Watched({("", "nope"): ""})
    code = await follow(PublishedTopics(), {}, watched, Lines(as_json=False), 0.02)  # type: ignore[arg-type]
    assert code == EXIT_TIME
    assert capsys.readouterr().err == (
        "time is up: nope: nothing was heard of it. Check the id: python -m service list --state open,ended\n"
    )


@pytest.mark.parametrize(
    ("watched", "said"),
    [
        (Watched(IDENTITY), "interrupted; the commands go on. To follow them: python -m service watch weekly-1\n"),
        (Watched(None), ""),
    ],
)
async def test_who_interrupts_it_is_reminded_that_the_commands_go_on(
    capsys: pytest.CaptureFixture[str], watched: Watched, said: str
) -> None:
    following = asyncio.create_task(
        follow(PublishedTopics(), {}, watched, Lines(as_json=False), None)  # type: ignore[arg-type]
    )
    await asyncio.sleep(0.01)
    following.cancel()
    with pytest.raises(asyncio.CancelledError):
        await following
    assert capsys.readouterr().err == said


class Gone(PublishedTopics):
    """A broker that has died."""

    def follow(self, starts: Any) -> Any:
        async def failing() -> Any:
            yield []
            raise LogError("Kafka has not answered for 30 s")

        return failing()


@pytest.mark.parametrize(
    ("watched", "notes"),
    [
        (Watched(IDENTITY), ["the commands go on. To follow them: python -m service watch weekly-1"]),
        (Watched(None), []),
    ],
)
async def test_when_kafka_has_gone_the_commands_go_on(watched: Watched, notes: list[str]) -> None:
    with pytest.raises(LogError, match="not answered") as caught:
        await follow(Gone(), {}, watched, Lines(as_json=False), None)  # type: ignore[arg-type]
    assert getattr(caught.value, "__notes__", []) == notes


async def test_a_terminal_gets_a_table_and_the_errors_whole(capsys: pytest.CaptureFixture[str]) -> None:
    topics, watched = PublishedTopics(), Watched({**IDENTITY, ("/teams/op", "b"): "GetAudienceModel"})
    shown = terminal.console(80, terminal=True)
    why = "why " * 40
    topics.coming = [trained(COMMAND), [reply(sent("b"), ReplyKind.PARKED, NOW, error("NeverListed", why))]]
    assert await follow(topics, {}, watched, LiveTable(watched, shown), None) == 6  # type: ignore[arg-type]
    table = terminal.text(shown)
    assert "2 of 2 ended" in table
    told = capsys.readouterr().out
    assert f"b: NeverListed: {why}\n" in told
    assert "python -m service parked resolve b with --adopt ARN, --retry or --fail" in told


def test_the_table_shows_what_is_known_so_far() -> None:
    watched = Watched({**IDENTITY, ("/teams/op", "b"): "GetAudienceModel"})
    table = LiveTable(watched, terminal.console(80))
    assert [line.split() for line in table.text().plain.splitlines()][1:] == [
        ["weekly-1", "CreateAudienceModel", "sent", "0s"],
        ["b", "GetAudienceModel", "sent", "0s"],
        ["0", "of", "2", "ended,", "0s"],
    ]
    watched.take([notice(each) for each in (*trained(COMMAND), event(sent("b"), "ACTIVE"))])
    lines = table.text().plain.splitlines()
    assert lines[1].split() == ["weekly-1", "CreateAudienceModel", "succeeded", "ACTIVE", "1m40s"]
    assert lines[2].split()[2:4] == ["unknown", "ACTIVE"]
    assert lines[3] == "1 of 2 ended, 0s"


def test_of_very_many_those_that_go_on_are_shown() -> None:
    watched = Watched({("/teams/op", f"c{number}"): "X" for number in range(50)})
    watched.take([ended(ReplyKind.SUCCEEDED, "c0")])
    lines = LiveTable(watched, terminal.console(80)).text().plain.splitlines()
    assert lines[1].startswith("c1 ")
    assert lines[-2:] == ["and 30 others", "1 of 50 ended, 0s"]


@pytest.mark.parametrize(
    ("is_terminal", "as_json", "table", "kind"),
    [
        (True, False, True, LiveTable),
        (True, True, True, Lines),
        (True, False, False, Lines),
        (False, False, True, Lines),
    ],
)
def test_what_suits_the_output(
    monkeypatch: pytest.MonkeyPatch, is_terminal: bool, as_json: bool, table: bool, kind: type[Any]
) -> None:
    monkeypatch.setattr(following, "Console", lambda: Console(force_terminal=is_terminal))
    assert isinstance(screen(Watched(IDENTITY), as_json=as_json, table=table), kind)
