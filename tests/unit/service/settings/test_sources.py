"""What deployments really set: empty and untidy variables, IPv6, hyphens, all partitions; YAML's surprises."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError

from service.settings import Settings, SettingsError, load
from service.settings.base import group_of, secrets_of
from tests.unit.service.settings.test_model import LEAST, refused, settings


def by_file(tmp_path: Path, text: str, **environ: str) -> Settings:
    (tmp_path / "settings.yaml").write_text(text, encoding="utf-8")
    return load(tmp_path / "settings.yaml", LEAST | environ)


@pytest.mark.parametrize("value", ["", "\t \r\n"])
@pytest.mark.parametrize(
    "name",
    [
        *("CRML_KAFKA__GROUP_ID", "CRML_KAFKA__CLIENT_ID", "CRML_KAFKA__INSTANCE_ID", "CRML_KAFKA__SSL_CA_FILE"),
        *("CRML_KAFKA__SASL_PASSWORD", "CRML_KAFKA__OAUTH__SCOPE", "CRML_HTTP__HOST", "CRML_HTTP__PORT"),
        *("CRML_HTTP__PAGE_PORT", "CRML_LOG__LEVEL", "CRML_TIMING__SETTLE", "CRML_TIMING__SEARCH_DELAYS"),
        *("CRML_TARGETS__DEFAULT__ROLE_ARN", "CRML_TARGETS__DEFAULT__ENDPOINT_URL", "CRML_TARGETS__DEFAULT__PROXY"),
        *("CRML_TARGETS__DEFAULT__CA_FILE", "CRML_TARGETS__DEFAULT__REGION", "CRML_TARGETS__DEFAULT__ACCOUNT"),
        *("CRML_TARGETS__DEFAULT__QUOTAS__AUDIENCE_MODELS", "CRML_TOPICS__PREFIX", "CRML_DEFAULT_TARGET"),
        *("CRML_POLLING__KINDS__AUDIENCE_MODEL__FIRST", "CRML_SETTINGS", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"),
    ],
)
def test_a_blank_variable_is_not_set(name: str, value: str) -> None:
    assert settings(**{name: value}).model_dump() == settings().model_dump()


def test_a_blank_variable_leaves_the_files_value(tmp_path: Path) -> None:
    assert by_file(tmp_path, "kafka: {group_id: file}", CRML_KAFKA__GROUP_ID="").kafka.group_id == "file"


def test_a_blank_variable_does_not_open_what_a_tenant_closes() -> None:
    assert settings(CRML_TENANTS__ADS__OPERATIONS="").tenants["ads"].operations == ()


@pytest.mark.parametrize("name", ["CRML_TENANTS", "CRML_TENANTS__ADS", "CRML_TARGETS", "CRML_KAFKA__OAUTH", "CRML_LOG"])
def test_a_blank_group_is_refused(name: str) -> None:
    assert name.removeprefix("CRML_").replace("__", ".").lower() in refused(None, **{name: ""})


def test_a_blank_unknown_variable_is_refused() -> None:
    assert "log.levl: unknown setting in CRML_LOG__LEVL" in refused(CRML_LOG__LEVL="")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "kafka: 5",
            "kafka: found a number or a truth value; expected a group, such as kafka: {bootstrap_servers: ...}",
        ),
        ("kafka: [a, b]", "kafka: found a list; expected a group"),
        ("targets: 5", "targets: found a number or a truth value; expected groups by name"),
        ("targets: {default: secret}", "targets.default: found text; expected a group"),
        ("targets: {default: {rate: 3}}", "targets.default.rate: found a number or a truth value; expected a group"),
        ("polling: {kinds: {audience-model: 5}}", "polling.kinds.audience-model: found a number"),
    ],
)
def test_a_group_of_the_file_that_is_none_is_refused_although_variables_set_it(
    tmp_path: Path, text: str, expected: str
) -> None:
    below = {"CRML_TARGETS__DEFAULT__RATE__READS_PER_SECOND": "2", "CRML_POLLING__KINDS__AUDIENCE_MODEL__FIRST": "7"}
    with pytest.raises(SettingsError) as error:
        by_file(tmp_path, text, **below)
    assert expected in str(error.value)
    assert "settings.yaml" in str(error.value)


@pytest.mark.parametrize("field", ["host", "page_host"])
def test_an_empty_listener_is_refused(tmp_path: Path, field: str) -> None:
    with pytest.raises(SettingsError, match=f"http.{field}: found ''"):
        by_file(tmp_path, f'http: {{{field}: ""}}')


@pytest.mark.parametrize("blank", ['" "', '"\\t"', '"\\n "', '"\\u00a0"'])
@pytest.mark.parametrize(
    ("form", "name"),
    [
        *(
            (f"kafka: {{{name}: %s}}", f"kafka.{name}")
            for name in ("group_id", "client_id", "instance_id", "sasl_username")
        ),
        ("kafka: {bootstrap_servers: [%s]}", "kafka.bootstrap_servers"),
        ("kafka: {ssl_ca_file: %s}", "kafka.ssl_ca_file"),
        ("targets: {a: {ca_file: %s}}", "targets.a.ca_file"),
        ("tenants: {a: {targets: [%s]}}", "tenants.a.targets"),
    ],
)
def test_a_blank_value_in_a_file_is_refused(tmp_path: Path, form: str, name: str, blank: str) -> None:
    (tmp_path / "settings.yaml").write_text(form % blank, encoding="utf-8")
    environ = {} if "bootstrap" in form else {"CRML_KAFKA__BOOTSTRAP_SERVERS": "a:1"}
    with pytest.raises(
        SettingsError, match=f"{name}: found .* in .*settings.yaml; expected: something else than blanks"
    ):
        load(tmp_path / "settings.yaml", {"AWS_REGION": "eu-west-1", **environ})


def _groups(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for field in model.model_fields.values():
        if below := group_of(field):
            yield from _groups(below)


GROUPS = sorted(set(_groups(Settings)), key=lambda group: group.__name__)


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.__name__)
@pytest.mark.parametrize(
    "wrap", [lambda flag: flag, lambda flag: [flag], lambda flag: {"k": flag}], ids=["plain", "list", "map"]
)
def test_a_truth_value_is_no_number_and_no_text_anywhere(group: type[BaseModel], wrap: Callable[[bool], Any]) -> None:
    """Pydantic would take `true` for 1, as a number of seconds too."""
    for name, field in group.model_fields.items():
        if group_of(field) is not None or bool in (field.annotation, *get_args(field.annotation)):
            continue
        if name.removesuffix("_file") in secrets_of(group):
            continue
        for flag in (True, False):
            with pytest.raises(ValidationError) as error:
                group.model_validate({name: wrap(flag)})
            assert name in {each["loc"][0] for each in error.value.errors() if each["type"] != "missing"}, name


@pytest.mark.parametrize("text", ["true", "5", "[a]", "{a: b}", "!!timestamp 2026-01-01", "' '", "/no/such"])
def test_the_file_of_a_secret_is_a_path(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError, match=r"kafka: sasl_password_file: .* can't be read|is no path of a file"):
        by_file(tmp_path, f"kafka: {{sasl_password_file: {text}}}")


NUMBERS = ("timing.settle", "targets.a.pool", "http.port", "topics.partitions", "targets.a.rate.reads_per_second")
NO_NUMBERS = (
    *(
        "true",
        "false",
        "yes",
        "no",
        "on",
        "null",
        "~",
        "''",
        "' '",
        "2026-01-01",
        "2026-01-01T00:00:00Z",
        "12:30",
        "0o17",
    ),
    *("0x1F", "0b1", "1.2.3", ".nan", ".inf", "-.inf", "1e999", "[1]", "{a: 1}", "!!timestamp 2026-01-01", "!!str x"),
    *("!!binary AQ==", "5 s", "'1,5'", "-1"),
)


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("text", NO_NUMBERS)
def test_what_yaml_might_take_for_a_number_is_refused_by_name(tmp_path: Path, name: str, text: str) -> None:
    head, *rest = name.split(".")
    tree = text
    for part in reversed(rest):
        tree = f"{{{part}: {tree}}}"
    with pytest.raises(SettingsError, match=rf"{name}.*: found .*settings\.yaml"):
        by_file(tmp_path, f"{head}: {tree}\n")


@pytest.mark.parametrize("text", ["true", "5", "1.5", "[a]", "{a: b}", "!!timestamp 2026-01-01", ".inf"])
@pytest.mark.parametrize("name", ["group_id", "instance_id", "sasl_password", "security_protocol", "bootstrap_servers"])
def test_what_is_no_text_is_refused_by_name(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / "settings.yaml").write_text(f"kafka: {{{name}: {text}}}")
    environ = {"AWS_REGION": "eu-west-1"} | (
        {} if name == "bootstrap_servers" else {"CRML_KAFKA__BOOTSTRAP_SERVERS": "a:1"}
    )
    if (name, text) == ("bootstrap_servers", "[a]"):
        assert load(tmp_path / "settings.yaml", environ).kafka.bootstrap_servers == ("a",)
        return
    with pytest.raises(SettingsError, match=rf"kafka.{name}.*: found"):
        load(tmp_path / "settings.yaml", environ)


@pytest.mark.parametrize("text", ["2", "[true]", "maybe", "2026-01-01", "0o1", "{}"])
def test_what_is_no_truth_value_is_refused_by_name(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError, match=r"targets.a.verify: found .*settings.yaml; expected: true or false"):
        by_file(tmp_path, f"targets: {{a: {{verify: {text}}}}}")


@pytest.mark.parametrize(
    "key", ["1", "true", "null", "2026-01-01", "1.5", "'a b'", "[a]", "{a: b}", "!!timestamp 2026-01-01"]
)
@pytest.mark.parametrize(
    "form", ["%s: {}", "targets: {%s: {region: Q}}", "kafka: {? %s : x}", "targets: {a: {session_tags: {? %s : 1}}}"]
)
def test_odd_keys_are_no_traceback(tmp_path: Path, form: str, key: str) -> None:
    with pytest.raises(SettingsError):
        by_file(tmp_path, form % key)


@pytest.mark.parametrize("field", ["group_id", "client_id", "instance_id"])
def test_an_empty_name_in_kafka_is_refused(tmp_path: Path, field: str) -> None:
    with pytest.raises(SettingsError, match=f"kafka.{field}: found ''"):
        by_file(tmp_path, f'kafka: {{{field}: ""}}')


@pytest.mark.parametrize("around", ["{}\n", "{}\r\n", " {}", "{} ", "\t{}\n"])
def test_white_space_around_a_value_is_dropped(around: str) -> None:
    loaded = settings(
        AWS_REGION=around.format("eu-west-1"),
        AWS_ENDPOINT_URL=around.format("http://127.0.0.1:1"),
        CRML_KAFKA__GROUP_ID=around.format("g"),
        CRML_KAFKA__BOOTSTRAP_SERVERS=around.format("a:1"),
        CRML_HTTP__PORT=around.format("1"),
        CRML_HTTP__HOST=around.format("::"),
    )
    assert (loaded.kafka.group_id, loaded.kafka.bootstrap_servers, loaded.http.port) == ("g", ("a:1",), 1)
    assert loaded.targets["default"].region == "eu-west-1"
    assert loaded.targets["default"].endpoint_url == "http://127.0.0.1:1"
    assert loaded.http.host == "::"


def test_a_secret_keeps_its_blanks() -> None:
    assert "sasl_password" in secrets_of(type(settings().kafka))
    password = settings(CRML_KAFKA__SASL_PASSWORD=" p \n").kafka.sasl_password
    assert password is not None
    assert password.get_secret_value() == " p "


def test_the_same_setting_by_two_variables_is_refused() -> None:
    message = refused(CRML_KAFKA__GROUP_ID="a", crml_kafka__group_id="b")
    assert "CRML_KAFKA__GROUP_ID" in message
    assert "crml_kafka__group_id" in message


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("[::1]:9092", ("[::1]:9092",)),
        ("[fd00::1]:9092,[fd00::2]:9092", ("[fd00::1]:9092", "[fd00::2]:9092")),
        ("[fe80::1%eth0]:9092", ("[fe80::1%eth0]:9092",)),
        ("[::ffff:10.0.0.1]:9092, b:9092", ("[::ffff:10.0.0.1]:9092", "b:9092")),
        ('["[::1]:9092", "b:9092"]', ("[::1]:9092", "b:9092")),
        ("b", ("b",)),
    ],
)
def test_brokers(text: str, wanted: tuple[str, ...]) -> None:
    assert settings(CRML_KAFKA__BOOTSTRAP_SERVERS=text).kafka.bootstrap_servers == wanted


@pytest.mark.parametrize(
    "text",
    [
        *("broker:", "broker:high", "broker:0", "broker:65536", "::1:9092", "fd00::1", "[::1", "[::1]9092", ":9092"),
        *("SASL_SSL://broker:9092", "kafka://b", "user@broker:9092", "a:1 b:1", "a;b", "a:1:2", '["a", "b"', "[a]"),
    ],
)
def test_malformed_brokers_are_refused(text: str) -> None:
    message = refused(CRML_KAFKA__BOOTSTRAP_SERVERS=text)
    assert "kafka.bootstrap_servers: found" in message
    assert "CRML_KAFKA__BOOTSTRAP_SERVERS" in message
    assert "such as" in message


FILE = "targets: {eu-west: {region: eu-west-1}, us.east: {region: us-east-1}}\ndefault_target: eu-west\n"


def test_variables_complete_the_files_names_with_hyphens(tmp_path: Path) -> None:
    text = FILE + "tenants: {my-team: {targets: [eu-west]}}\n"
    environ = {"CRML_TARGETS__US_EAST__FIPS": "true", "CRML_TENANTS__MY_TEAM__OPERATIONS": "Get*"}
    loaded = by_file(tmp_path, text, CRML_TARGETS__EU_WEST__ACCOUNT="111122223333", **environ)
    assert list(loaded.targets) == ["eu-west", "us.east"] or set(loaded.targets) == {"eu-west", "us.east"}
    assert loaded.targets["eu-west"].account == "111122223333"
    assert loaded.targets["us.east"].fips
    assert loaded.tenants["my-team"].operations == ("Get*",)


def test_a_name_as_it_is_goes_before_one_with_hyphens(tmp_path: Path) -> None:
    text = "targets: {a-b: {region: eu-west-1}, a_b: {region: eu-west-1}}\ndefault_target: a-b\n"
    loaded = by_file(tmp_path, text, CRML_TARGETS__A_B__REGION="us-east-1")
    assert (loaded.targets["a-b"].region, loaded.targets["a_b"].region) == ("eu-west-1", "us-east-1")


@pytest.mark.parametrize("names", ["a-b, a.b", "a-b, a.b, c"])
def test_a_variable_that_may_mean_two_names_is_refused(tmp_path: Path, names: str) -> None:
    targets = ", ".join(f"{name}: {{region: eu-west-1}}" for name in names.split(", "))
    text = f"targets: {{{targets}}}\ndefault_target: a-b\n"
    assert set(by_file(tmp_path, text).targets) == set(names.split(", ")), "without the variable, nothing is ambiguous"
    with pytest.raises(SettingsError, match=r"CRML_TARGETS__A_B__\.\.\. may mean a-b or a\.b, which the file has"):
        by_file(tmp_path, text, CRML_TARGETS__A_B__FIPS="true")
    assert by_file(tmp_path, text, **{"CRML_TARGETS__A.B__FIPS": "true"}).targets["a.b"].fips


@pytest.mark.parametrize("variable", ["CRML_TARGETS__US_EAST__POOL", "CRML_TARGETS__us.east__POOL"])
def test_a_fault_names_the_variable_of_a_name_with_a_dot(tmp_path: Path, variable: str) -> None:
    with pytest.raises(
        SettingsError, match=r"targets.us.east.pool: found 'x' in CRML_TARGETS__US_EAST__POOL; expected"
    ):
        by_file(tmp_path, FILE, **{variable: "x"})


@pytest.mark.parametrize(
    "topics",
    [
        {"CRML_TOPICS__REPLIES": "a.b", "CRML_TOPICS__EVENTS": "a_b"},
        {"CRML_TOPICS__REPLIES": "cleanroomsml_events"},
        {"CRML_TENANTS__A_B__OPERATIONS": "*", "CRML_TOPICS__REPLIES": "cleanroomsml.a.b.commands"},
    ],
)
def test_topics_that_kafka_takes_for_one_are_refused(topics: dict[str, str]) -> None:
    assert "Kafka refuses topics that differ in '.' and '_' only" in refused(None, **topics)


def test_a_hyphen_in_a_variable() -> None:
    assert set(settings(**{"CRML_TARGETS__eu-west__FIPS": "1"}).targets) == {"eu-west"}
