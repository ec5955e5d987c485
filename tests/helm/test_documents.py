"""What is generated for the chart is up to date, closed, and says what the models say."""

import json
import re
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from helm.documents import CHART, documents
from helm.parts import Image
from helm.schema import CHARTS_OWN, schema
from helm.values import Values
from service.cli.entry import version
from service.settings import Settings

SCHEMA = schema()
MINIMAL = {"kafka": {"bootstrap_servers": ["k:9092"]}, "targets": {"default": {"region": "eu-west-1"}}}


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(CHART)))
def test_generated_files_are_up_to_date(path: Any) -> None:
    assert path.read_text(encoding="utf-8") == documents()[path], "run: make render"


def test_the_schema_is_closed() -> None:
    """Every object has its members listed, but for what Kubernetes defines, maps of text, and `global`.

    A parent chart puts into `global` what its other charts need.
    """

    def open_ones(node: Any, path: str) -> list[str]:
        found = []
        if isinstance(node, dict):
            if "properties" in node and node.get("additionalProperties") is not False:
                found.append(path)
            for key, value in node.items():
                if key != "default":
                    found += open_ones(value, f"{path}/{key}")
        if isinstance(node, list):
            for value in node:
                found += open_ones(value, path)
        return found

    assert open_ones(SCHEMA, "") == ["/properties/global"]


def test_the_schema_refers_to_what_is_there() -> None:
    names = set(re.findall(r'"#/\$defs/([^"]+)"', json.dumps(SCHEMA)))
    assert names == SCHEMA["$defs"].keys()


def test_the_schema_has_every_setting_but_secrets_and_what_the_chart_sets() -> None:
    def members(model: type[Any]) -> set[str]:
        return set(model.model_fields)

    for name, definition in SCHEMA["$defs"].items():
        model = _settings_model(name)
        if model is None:
            continue
        secret = {field for field, info in model.model_fields.items() if "SecretStr" in str(info.annotation)}
        own = {member for group, member in CHARTS_OWN if group == name}
        assert definition["properties"].keys() == members(model) - secret - own, name
    assert "sasl_password" not in SCHEMA["$defs"]["Kafka"]["properties"]
    assert "instance_id" not in SCHEMA["$defs"]["Kafka"]["properties"]


def _settings_model(name: str) -> type[Any] | None:
    from service.settings import aws, kafka, model, polling, server, tenants, timing

    for module in (model, kafka, aws, timing, polling, server, tenants):
        found = getattr(module, name, None)
        if isinstance(found, type) and found.__module__ == module.__name__:
            return found
    return None


def test_values_yaml_holds_the_defaults() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    loaded = Values.model_validate({**values, "settings": MINIMAL})
    assert loaded == Values(settings=Settings.model_validate(MINIMAL))
    assert values["settings"] == {}


def test_the_model_refuses_what_the_schema_refuses() -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Values).validate_python({"settings": MINIMAL, "replicaCount": 2})


def test_the_chart_is_of_this_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == version()


def test_the_chart_says_what_is_in_this_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    annotations = {name.removeprefix("artifacthub.io/"): text for name, text in chart["annotations"].items()}
    [image] = yaml.safe_load(annotations["images"])
    assert image["image"] == f"{Image().repository}:{version()}"
    assert all(change.keys() == {"kind", "description"} for change in yaml.safe_load(annotations["changes"]))
    assert chart["version"] in (CHART / "CHANGELOG.md").read_text()
    assert chart["icon"].startswith("data:image/svg+xml;base64,")
