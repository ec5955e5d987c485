"""What every group of settings shares: closed, frozen, secrets from files, lists and keys of the environment."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel, SecretStr, ValidationError

from service.settings import Settings, load
from service.settings.aws import Target
from service.settings.base import FILE, SettingsGroup, group_of, hyphenated, is_keyed, listed, read_secret, secrets_of
from tests.unit.service.settings.test_kafka import CANARY, LEAST, loaded


class Group(SettingsGroup):
    secret: SecretStr | None = None
    secret_file: Path | None = None
    names: dict[str, int] = {}  # noqa: RUF012 - pydantic copies it


def test_a_group_is_closed_and_does_not_change() -> None:
    with pytest.raises(ValidationError, match="unknown"):
        Group.model_validate({"unknown": 1})
    with pytest.raises(ValidationError, match="frozen"):
        Group().secret = SecretStr("x")  # type: ignore[misc]


def test_a_value_that_is_wrong_is_not_repeated() -> None:
    with pytest.raises(ValidationError) as raised:
        Group.model_validate({"names": {"a": CANARY}})
    assert CANARY not in str(raised.value)


def test_a_secret_is_named_by_its_type_however_optional() -> None:
    assert secrets_of(Group) == ["secret"]
    assert secrets_of(Target) == ["proxy"]


def test_a_blank_file_name_is_none() -> None:
    for blank in ("", None):
        assert Group.model_validate({"secret_file": blank, "secret": CANARY}).secret is not None


@pytest.mark.parametrize(("content", "wanted"), [("x\n", "x"), ("x\r\n\n", "x"), (" x \n", " x "), ("a\nb", "a\nb")])
def test_a_secret_loses_the_end_of_its_line_only(tmp_path: Path, content: str, wanted: str) -> None:
    (tmp_path / "s").write_bytes(content.encode())
    assert read_secret(tmp_path / "s") == wanted


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(b"\xff\xfe")
    with pytest.raises(ValidationError, match=r"secret_file: .*/s can't be read"):
        Group.model_validate({"secret_file": tmp_path / "s"})


def test_the_setting_of_an_empty_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(b"\n")
    with pytest.raises(ValidationError, match=r"secret_file: .*/s is empty; expected a secret in it"):
        Group.model_validate({"secret_file": tmp_path / "s"})
    with pytest.raises(ValidationError, match="secret_file: embedded null byte"):
        Group.model_validate({"secret_file": "\0"})


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("a,b", ["a", "b"]),
        (" a , ,b,", ["a", "b"]),
        ("", []),
        ('["a", 1]', ["a", 1]),
        ("[::1]:9092,b", ["[::1]:9092", "b"]),
        (["a"], ["a"]),
        (7, 7),
    ],
)
def test_a_list_is_json_or_separated_by_commas(value: Any, wanted: Any) -> None:
    assert listed(value) == wanted


def test_a_list_that_begins_as_json_must_be_json() -> None:
    with pytest.raises(ValueError, match=r'must be JSON, such as \["a", "b"\]'):
        listed("[a, b]")


def test_keys_of_the_environment_get_their_hyphens() -> None:
    assert hyphenated({"audience_models": 1, "a-b": 2, 3: 4}) == {"audience-models": 1, "a-b": 2, "3": 4}
    assert hyphenated("text") == "text"


def test_a_group_is_told_from_a_setting() -> None:
    fields = Settings.model_fields
    assert (group_of(fields["targets"]), is_keyed(fields["targets"])) == (Target, True)
    assert group_of(fields["default_target"]) is None
    assert not is_keyed(fields["kafka"])
    assert is_keyed(Group.model_fields["names"])


def _groups(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for field in model.model_fields.values():
        for below in (field.annotation, *get_args(field.annotation)):
            if isinstance(below, type) and issubclass(below, BaseModel):
                yield from _groups(below)


def test_every_secret_may_come_from_a_file() -> None:
    secrets = {name: group for group in _groups(Settings) for name in secrets_of(group)}
    assert set(secrets) >= {"sasl_password", "ssl_key_password", "client_secret", "proxy"}
    for name, group in secrets.items():
        assert name + FILE in group.model_fields, f"{group.__name__}.{name} has no twin {name}{FILE}"


def test_a_secret_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(f" {CANARY} \r\n")
    kafka = loaded(SECURITY_PROTOCOL="SASL_SSL", SASL_USERNAME="u", SASL_PASSWORD_FILE=str(file)).kafka
    assert kafka.sasl_password is not None
    assert kafka.sasl_password.get_secret_value() == f" {CANARY} "
    assert CANARY not in repr(kafka)


def test_a_secret_from_a_file_that_the_settings_file_names(tmp_path: Path) -> None:
    secret, file = tmp_path / "proxy", tmp_path / "settings.yaml"
    secret.write_text("http://user:pass@proxy:3128\n")
    file.write_text(f"targets: {{eu: {{region: eu-west-1, proxy_file: {secret}}}}}\n")
    proxy = load(file, LEAST).targets["eu"].proxy
    assert proxy is not None
    assert proxy.get_secret_value() == "http://user:pass@proxy:3128"
