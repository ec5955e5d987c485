"""Settings of tenants: what one gets, how it is derived, and refusals that say what to mend."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.settings import Settings, SettingsError, load

LEAST = {"CRML_KAFKA__BOOTSTRAP_SERVERS": "a:9092", "AWS_REGION": "eu-west-1"}
TWO: dict[str, Any] = {
    "default_target": "eu",
    "targets": {
        "eu": {"account": "111122223333"},
        "us": {"region": "us-gov-west-1", "role_arn": "arn:aws-us-gov:iam::444455556666:role/crml"},
    },
    "tenants": {
        "films": {
            "targets": ["eu", "us"],
            "operations": ["Get*", "CreateAudienceModel"],
            "role_arns": ["arn:aws:iam::111122223333:role/films-*"],
            "s3_prefixes": ["s3://films/out"],
            "kms_keys": ["*"],
            "reply_topics": ["films.other"],
            "wildcard_principals": True,
            "rate": {"writes_per_second": 0.5},
        },
        "music": {
            "targets": ["us"],
            "replies": "music.replies",
            "events": "music.events",
            "dead_letters": "music.dead",
        },
        "quiet": None,
    },
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "settings.yaml"


def loaded(file: Path, tree: Mapping[str, Any] = TWO, **environ: str) -> Settings:
    file.write_text(yaml.safe_dump(dict(tree), sort_keys=False))
    return load(file, LEAST | environ)


def refused(file: Path, **environ: str) -> str:
    with pytest.raises(SettingsError) as caught:
        loaded(file, TWO, **environ)
    return str(caught.value)


def test_by_environment(file: Path) -> None:
    settings = loaded(file, {}, CRML_TENANTS__FILMS__TARGETS="default", CRML_TENANTS__FILMS__OPERATIONS="Get*,List*")
    assert settings.tenants["films"].operations == ("Get*", "List*")


@pytest.mark.parametrize(
    ("environ", "parts"),
    [
        ({"CRML_TENANTS__FILMS__TARGETS": "eu,moon"}, ("tenants.films.targets has moon", "eu, us")),
        ({"CRML_TENANTS__FILMS__OPERATIONS": "Fetch*"}, ("no command is called Fetch*", "known: CreateTraining")),
        ({"CRML_TENANTS__MUSIC__DEFAULT_TARGET": "eu"}, ("tenants.music", "not among its targets")),
        ({"CRML_TENANTS__MUSIC__S3_PREFIXES": "music/x"}, ("tenants.music.s3_prefixes", "'music/x'")),
        ({"CRML_TENANTS__MUSIC__COMMANDS": "cleanroomsml.films.jobs"}, ("used twice: cleanroomsml.films.jobs",)),
        ({"CRML_TENANTS__MUSIC__REPLIES": "cleanroomsml.events"}, ("used twice: cleanroomsml.events",)),
        (
            {"CRML_TENANTS__MUSIC__REPLY_TOPICS": "cleanroomsml.films.commands"},
            ("tenants.music.reply_topics has cleanroomsml.films.commands", "not a topic for replies"),
        ),
        ({"CRML_REPLIES__ALLOWED_TOPICS": "x"}, ("set reply_topics of each tenant",)),
        ({"CRML_TENANTS__MUSIC__ACCOUNTS": "x"}, ("tenants.music.accounts: unknown setting",)),
        ({"CRML_TENANTS__MUSIC__RATE__WRITES_PER_SECOND": "0"}, ("writes_per_second", "greater than 0")),
        ({"CRML_TENANTS__A.B__TARGETS": "eu"}, ("tenants.a.b",)),
        ({"CRML_TARGETS__EU__SOURCE_IDENTITY": "x1"}, ("source_identity is of no use without role_arn",)),
        ({"CRML_TARGETS__EU__RETRY_CAP": "0.5"}, ("targets.eu: retry_cap (0.5 s) must not be below",)),
    ],
)
def test_refusals(file: Path, environ: dict[str, str], parts: tuple[str, ...]) -> None:
    message = refused(file, **environ)
    for part in parts:
        assert part in message
