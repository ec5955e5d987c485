"""Settings: the least that runs, every way to set them, and every problem at once."""

from pathlib import Path

import pytest

from schemas.operations import RESOURCES
from service.settings import Settings, SettingsError, load, reference
from service.settings.aws import DEFAULT_QUOTAS, SLOTS
from service.settings.polling import DEFAULT_PACES

LEAST = {"CRML_KAFKA__BOOTSTRAP_SERVERS": "a:9092,b:9092", "AWS_REGION": "eu-west-1"}


def settings(**environ: str) -> Settings:
    return load(None, LEAST | environ)


def refused(file: Path | None = None, **environ: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load(file, LEAST | environ)
    return str(caught.value)


def test_the_least_that_runs() -> None:
    loaded = settings()
    assert loaded.kafka.bootstrap_servers == ("a:9092", "b:9092")
    assert loaded.targets["default"].region == "eu-west-1"
    assert loaded.default_target == "default"
    assert loaded.sources() == (("cleanroomsml.commands", "cleanroomsml.jobs"),)


def test_the_standard_environment_makes_the_default_target() -> None:
    loaded = load(
        None,
        {
            "CRML_KAFKA__BOOTSTRAP_SERVERS": "a:1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": "http://127.0.0.1:4599",
        },
    )
    assert loaded.targets["default"].region == "us-east-1"
    assert loaded.targets["default"].endpoint_url == "http://127.0.0.1:4599"


def test_a_prefix_changes_all_topics() -> None:
    topics = settings(CRML_TOPICS__PREFIX="x", CRML_TOPICS__EVENTS="other").topics
    assert (topics.commands, topics.replies, topics.dead_letters) == ("x.commands", "x.replies", "x.dead-letters")
    assert topics.events == "other"


@pytest.mark.parametrize("text", ["0,1.5", "[0, 1.5]"])
def test_lists(text: str) -> None:
    assert settings(CRML_TIMING__SEARCH_DELAYS=text).timing.search_delays == (0, 1.5)


def test_the_table_and_the_defaults_agree() -> None:
    assert set(DEFAULT_QUOTAS) == SLOTS
    assert set(DEFAULT_PACES) == {resource.kind for resource in RESOURCES.values() if resource.slot}


@pytest.mark.parametrize(
    ("environ", "part"),
    [
        ({"CRML_DEFAULT_TARGET": "x", "CRML_TARGETS__A__FIPS": "1"}, "default_target is 'x'"),
        ({"CRML_TARGETS__A__ENDPOINT_URL": "http://example.com"}, "plain http beyond this machine"),
        ({"CRML_TARGETS__A__EXTERNAL_ID": "abc"}, "no use without role_arn"),
        ({"CRML_TARGETS__A__ENDPOINT_URL": "https://x", "CRML_TARGETS__A__FIPS": "1"}, "excludes fips"),
        ({"CRML_TARGETS__A__SESSION_TAGS": "team"}, "'team' has no '='; expected key=value"),
        ({"CRML_TARGETS__A__SESSION_TAGS": "team=ads"}, "session_tags is of no use without role_arn"),
        ({"CRML_TARGETS__A__SESSION_NAME": "schön"}, "targets.a.session_name: found 'schön'"),
        ({"CRML_TARGETS__A__QUOTAS__MODELS": "1"}, "unknown: models"),
        ({"CRML_TIMING__SETTLE": "nan"}, "timing.settle"),
        ({"CRML_TIMING__SETTLE": "2"}, "must be longer"),
        ({"CRML_TIMING__RETRY_CAP": "0.5"}, "retry_cap"),
        ({"CRML_KAFKA__SECURITY_PROTOCOL": "SASL_SSL"}, "sasl_username"),
        ({"CRML_KAFKA__SSL_CERT_FILE": "a.pem"}, "go together"),
        ({"CRML_KAFKA__HEARTBEAT_INTERVAL": "9"}, "a third"),
        ({"CRML_TOPICS__EVENTS": "same", "CRML_TOPICS__REPLIES": "same"}, "used twice: same"),
        ({"CRML_POLLING__SHARED": "1", "CRML_RUNTIME__STANDBY": "no"}, "polling.shared needs runtime.standby"),
        ({"CRML_POLLING__SHARED": "1", "CRML_TOPICS__EVENTS": "cleanroomsml.lists"}, "used twice: cleanroomsml.lists"),
        ({"CRML_TOPICS__EVENTS": "no spaces"}, "topics.events"),
        ({"CRML_POLLING__KINDS__MOON__FIRST": "1"}, "unknown: moon"),
        ({"CRML_KAFKA": "x", "CRML_KAFKA__GROUP_ID": "y"}, "below a setting"),
        ({"CRML_LOG__LEVEL": "loud"}, "'debug', 'info', 'warning' or 'error'"),
    ],
)
def test_refusals(environ: dict[str, str], part: str) -> None:
    assert part in refused(None, **environ)


def test_without_shared_lists_the_name_of_their_topic_is_free() -> None:
    assert settings(CRML_TOPICS__EVENTS="cleanroomsml.lists").topics.events == "cleanroomsml.lists"


def test_plain_http_can_be_allowed() -> None:
    loaded = settings(CRML_TARGETS__A__ENDPOINT_URL="http://sandbox:4599", CRML_TARGETS__A__ALLOW_PLAIN_HTTP="true")
    assert loaded.targets["a"].allow_plain_http


def test_secrets_stay_secret() -> None:
    loaded = settings(
        CRML_KAFKA__SECURITY_PROTOCOL="SASL_SSL",
        CRML_KAFKA__SASL_USERNAME="u",
        CRML_KAFKA__SASL_PASSWORD="canary",
        CRML_TARGETS__A__PROXY="http://u:canary@proxy:3128",
    )
    assert "canary" not in repr(loaded)
    assert "canary" not in loaded.model_dump_json()
    assert "canary" not in refused(CRML_TARGETS__A__PROXY="canary", CRML_KAFKA__SSL_KEY_PASSWORDS="canary")


def test_reference_names_every_setting() -> None:
    page = reference()
    for variable in (
        "CRML_KAFKA__BOOTSTRAP_SERVERS",
        "CRML_TARGETS__<name>__RATE__READS_PER_SECOND",
        "CRML_POLLING__KINDS__<name>__FIRST",
        "CRML_DEFAULT_TARGET",
    ):
        assert f"`{variable}`" in page
    rows = [line for line in page.splitlines() if line.startswith("| `CRML_")]
    assert len(rows) > 60
    assert all(row.rstrip().endswith(". |") for row in rows)
