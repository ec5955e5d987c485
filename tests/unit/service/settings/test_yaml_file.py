"""YAML 1.2 as people mean it: no key twice, no octal numbers, no surprising truths."""

from pathlib import Path
from typing import Any

import pytest

from service.settings import SettingsError, load
from service.settings.yaml_file import read
from tests.unit.service.settings.test_model import LEAST
from tests.unit.service.settings.test_sources import by_file


def value(tmp_path: Path, text: str) -> Any:
    (tmp_path / "one.yaml").write_text(text, encoding="utf-8")
    return read(tmp_path / "one.yaml")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("no", "no"),
        ("Yes", "Yes"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("0", 0),
        ("-7", -7),
        ("010", "010"),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("1e3", 1000.0),
        ("-.5", -0.5),
        ("1.", 1.0),
        (".inf", float("inf")),
        ("2026-01-01", "2026-01-01"),
        ("'7'", "7"),
        ("=", "="),
    ],
)
def test_plain_scalars(tmp_path: Path, text: str, wanted: Any) -> None:
    found = value(tmp_path, f"a: {text}")["a"]
    assert (found, type(found)) == (wanted, type(wanted))


def test_an_empty_file_is_nothing(tmp_path: Path) -> None:
    assert value(tmp_path, "") is None
    assert value(tmp_path, "# only a comment\n") is None


@pytest.mark.parametrize("text", ["a: !!python/object/apply:os.getcwd []", "a: !mine 1", "? [a, b]\n: c"])
def test_nothing_is_run_and_no_object_is_made(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError, match=r"one\.yaml can't be read: "):
        value(tmp_path, text)


def test_a_key_of_an_anchor_may_be_given_anew(tmp_path: Path) -> None:
    assert value(tmp_path, "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\n")["b"] == {"x": 1, "y": 3}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        *(
            ("no", "no"),
            ("off", "off"),
            ("y", "y"),
            ("12:30:45", "12:30:45"),
            ("2026-01-01", "2026-01-01"),
            ("010", "010"),
        )
    ],
)
def test_texts_stay_texts(tmp_path: Path, text: str, wanted: str) -> None:
    assert by_file(tmp_path, f"kafka: {{group_id: {text}}}").kafka.group_id == wanted


def test_numbers_are_numbers(tmp_path: Path) -> None:
    loaded = by_file(
        tmp_path,
        "http: {port: 0123}\ntiming: {settle: 3.6e2, call_window: .5, search_delays: [0, 1.5, 1e1]}\n"
        "targets: {a: {region: eu-west-1, verify: no, fips: yes, keepalive: 1_0}}\n",
    )
    assert (loaded.http.port, loaded.timing.settle, loaded.timing.call_window) == (123, 360.0, 0.5)
    assert loaded.timing.search_delays == (0.0, 1.5, 10.0)
    assert (loaded.targets["a"].verify, loaded.targets["a"].fips, loaded.targets["a"].keepalive) == (False, True, 10.0)


@pytest.mark.parametrize(
    "text",
    [
        "kafka: {group_id: a}\nlog: {level: info}\nkafka: {group_id: b}\n",
        "kafka:\n  group_id: a\n  group_id: b\n",
        'targets: {a: {region: eu-west-1}, "a": {region: us-east-1}}\n',
        "targets: {a: {region: eu-west-1, quotas: {audience-models: 1, audience-models: 9}}}\n",
    ],
)
def test_a_key_twice_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError, match=r"is given twice, in lines [12] and [123]"):
        by_file(tmp_path, text)


def test_anchors_and_merges_still_work(tmp_path: Path) -> None:
    text = "targets:\n  a: &a {region: eu-west-1, fips: true}\n  b: {<<: *a, region: us-east-1}\ndefault_target: a\n"
    targets = by_file(tmp_path, text).targets
    assert (targets["b"].region, targets["b"].fips) == ("us-east-1", True)


@pytest.mark.parametrize("content", [b"\xef\xbb\xbflog: {level: debug}\n", b"log: {level: debug}\r\n"])
def test_what_editors_of_windows_write(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "s.yaml").write_bytes(content)
    assert load(tmp_path / "s.yaml", LEAST).log.level == "debug"


@pytest.mark.parametrize("content", [b"\xff\xfea", b"{", b"a: b: c", b"---\n---\n", b"[" * 500, b"- a", b"\tx: y"])
def test_what_is_no_settings_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "s.yaml").write_bytes(content)
    with pytest.raises(SettingsError, match=str(tmp_path / "s.yaml")):
        load(tmp_path / "s.yaml", LEAST)


@pytest.mark.parametrize(
    "secret",
    [
        *(
            f"{sign}canary"
            for sign in ("@", "%", "`", '"', "'", "!", "*", "[", "{", "|", "- ", "> ", "!!int ", "!!bool ")
        ),
        "canary: x",
        'a\\x: "\\x-canary"',
        "!<canary> x",
        "!!timestamp canary",
        "!!float canary",
        "&a {canary: *a}",
    ],
)
def test_what_is_no_yaml_is_named_by_its_place_and_not_quoted(tmp_path: Path, secret: str) -> None:
    with pytest.raises(SettingsError, match=r"one\.yaml can't be read: line [23], column \d+: ") as refused:
        value(tmp_path, f"kafka:\n  sasl_password: {secret}\n")
    assert "canary" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_what_a_control_character_is_and_how_deep_is_too_deep(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="special characters are not allowed, at character 4"):
        value(tmp_path, "a: \x01")
    with pytest.raises(SettingsError, match="nests too deeply"):
        value(tmp_path, "a: " + "[" * 5_000)


@pytest.mark.parametrize(("depth", "known"), [(4, True), (5, False), (9, False)])
def test_aliases_are_bounded(tmp_path: Path, depth: int, known: bool) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, depth)]
    if known:
        assert len(value(tmp_path, "\n".join(lines))) == depth
        return
    with pytest.raises(SettingsError, match="its aliases stand for more than 100,000 values"):
        value(tmp_path, "\n".join(lines))
