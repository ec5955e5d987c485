"""A wrong value fails at `helm template`, not in the pod: what the service would refuse, the chart refuses first."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from helm.documents import CHART
from service.settings import SettingsError, load
from tests.chart.rendering import Refused, template

pytestmark = pytest.mark.chart

MINIMAL: dict[str, Any] = {
    "kafka": {"bootstrap_servers": ["kafka:9092"]},
    "targets": {"default": {"region": "eu-west-1"}},
}

ROLE = "arn:aws:iam::111122223333:role/x"


def _target(**members: Any) -> dict[str, Any]:
    return {"targets": {"default": {"region": "eu-west-1", **members}}}


def _kafka(**members: Any) -> dict[str, Any]:
    return {"kafka": {"security_protocol": "SASL_SSL", **members}}


def _oauth(**members: Any) -> dict[str, Any]:
    return _kafka(sasl_mechanism="OAUTHBEARER", oauth=members)


def _schedule(**members: Any) -> dict[str, Any]:
    plain = {"name": "nightly", "cron": "@daily", "commands": [{"operation": "ListAudienceModels"}]}
    return {"schedules": [{**plain, **members}]}


SETTINGS: dict[str, tuple[dict[str, Any], str]] = {
    # by the schema
    "unknown group": ({"kafkaa": {}}, "kafkaa"),
    "unknown member": ({"kafka": {"group": "x"}}, "group"),
    "no brokers": ({"kafka": {"bootstrap_servers": []}}, "bootstrap_servers"),
    "text for a number": ({"timing": {"settle": "long"}}, "settle"),
    "text for yes": ({"kafka": {"ssl_check_hostname": "maybe"}}, "ssl_check_hostname"),
    "zero": ({"timing": {"call_window": 0}}, "call_window"),
    "a window that commits miss": ({"timing": {"call_window": 0.2}}, "call_window"),
    "a fraction of a thing": ({"runtime": {"max_batch": 1.5}}, "max_batch"),
    "too short": ({"kafka": {"transaction_timeout": 10}}, "transaction_timeout"),
    "no such choice": ({"kafka": {"security_protocol": "TLS"}}, "security_protocol"),
    "account as a number": ({"targets": {"default": {"region": "eu-west-1", "account": 111122223333}}}, "account"),
    "account too short": ({"targets": {"default": {"region": "eu-west-1", "account": "1234"}}}, "account"),
    "no region": ({"targets": {"default": {"account": "111122223333"}}}, "region"),
    "a target's name": ({"targets": {"Default!": {"region": "eu-west-1"}}}, "Default!"),
    "a role's form": ({"targets": {"default": {"region": "eu-west-1", "role_arn": "role"}}}, "role_arn"),
    "unknown quota": ({"targets": {"default": {"region": "eu-west-1", "quotas": {"models": 2}}}}, "models"),
    "unknown kind": ({"polling": {"kinds": {"model": {"first": 1}}}}, "model"),
    "topic's name": ({"topics": {"commands": "a b"}}, "commands"),
    "an S3 place": ({"tenants": {"a": {"s3_prefixes": ["bucket"]}}}, "s3_prefixes"),
    # by the chart's own checks
    "settle too short": ({"timing": {"settle": 1}}, "settle"),
    "cap below base": ({"timing": {"retry_base": 10, "retry_cap": 5}}, "retry_cap"),
    "a target's cap below base": (
        {"targets": {"default": {"region": "eu-west-1", "retry_cap": 0.5}}},
        "retry_cap",
    ),
    "heartbeat too slow": ({"kafka": {"session_timeout": 6, "heartbeat_interval": 3}}, "heartbeat_interval"),
    "certificate without key": ({"kafka": {"ssl_cert_file": "/x.pem"}}, "ssl_key_file"),
    "SASL without anybody": ({"kafka": {"security_protocol": "SASL_SSL"}}, "sasl_username"),
    "tokens from nowhere": (_kafka(sasl_mechanism="OAUTHBEARER"), "oauth"),
    "tokens for a password": (_kafka(sasl_username="u", oauth={"provider": "file", "token_file": "/t"}), "OAUTHBEARER"),
    "a token's Region": (_oauth(provider="msk_iam"), "region"),
    "another provider's setting": (_oauth(provider="file", token_file="/t", scope="x"), "scope"),
    "a client's secret": (
        _oauth(provider="client_credentials", token_url="https://idp/t", client_id="c"),
        "client_secret",
    ),
    "a token in the open": (
        _oauth(provider="client_credentials", token_url="http://idp/t", client_id="c", client_secret_file="/s"),
        "allow_plain_http",
    ),
    "no token URL": (
        _oauth(provider="client_credentials", token_url="idp", client_id="c", client_secret_file="/s"),
        "token_url",
    ),
    "id without a role for tokens": (_oauth(provider="msk_iam", region="eu-west-1", external_id="abc"), "external_id"),
    "unknown provider": (_oauth(provider="vault"), "provider"),
    "unknown default": ({"default_target": "other"}, "default_target"),
    "no default": (
        {"targets": {"a": {"region": "eu-west-1"}, "b": {"region": "us-east-1"}, "default": None}},
        "default_target",
    ),
    "plain http": (
        {"targets": {"default": {"region": "eu-west-1", "endpoint_url": "http://sandbox:4599"}}},
        "allow_plain_http",
    ),
    "no URL": ({"targets": {"default": {"region": "eu-west-1", "endpoint_url": "sandbox"}}}, "endpoint_url"),
    "id without role": ({"targets": {"default": {"region": "eu-west-1", "external_id": "abc"}}}, "external_id"),
    "tag without role": (_target(session_tags={"a": "b"}), "session_tags"),
    "tag of a shared session": (_target(role_arn=ROLE, session_per_command=False, tenant_tag="t"), "tenant_tag"),
    "AWS's own tag": (_target(role_arn=ROLE, session_tags={"aws:x": "b"}), "aws:"),
    "one tag twice": (_target(role_arn=ROLE, session_tags={"Team": "b"}, tenant_tag="team"), "regard to case"),
    "too many tags": (_target(role_arn=ROLE, session_tags={f"t{n}": "b" for n in range(51)}), "50"),
    "no such tag to hand on": (_target(role_arn=ROLE, transitive_tags=["x"]), "transitive_tags"),
    "FIPS and an endpoint": (
        {"targets": {"default": {"region": "eu-west-1", "endpoint_url": "https://x:1", "fips": True}}},
        "fips",
    ),
    "tenant's unknown target": ({"tenants": {"a": {"targets": ["other"]}}}, "other"),
    "tenant's unknown default": ({"tenants": {"a": {"default_target": "default"}}}, "default_target"),
    "tenant's unknown command": (
        {"tenants": {"a": {"targets": ["default"], "operations": ["Drop*"]}}},
        "Drop",
    ),
    "two lists of reply topics": (
        {"tenants": {"a": {"targets": ["default"]}}, "replies": {"allowed_topics": ["x"]}},
        "allowed_topics",
    ),
    "replies into commands": ({"replies": {"allowed_topics": ["cleanroomsml.commands"]}}, "allowed_topics"),
    "one name twice": ({"topics": {"events": "x", "replies": "x"}}, "name of its own"),
}

VALUES: dict[str, tuple[dict[str, Any], str]] = {
    "nothing at all": ({"settings": {}}, "kafka"),
    "unknown value": ({"replicaCount": 3}, "replicaCount"),
    "no replica": ({"replicas": 0}, "replicas"),
    "scaled to zero": ({"autoscaling": {"enabled": True, "minReplicas": 0}}, "minReplicas"),
    "floor above ceiling": ({"autoscaling": {"enabled": True, "minReplicas": 5}}, "maxReplicas"),
    "grace too short": ({"terminationGracePeriodSeconds": 30}, "at least 90"),
    "no pod may go": ({"podDisruptionBudget": {"maxUnavailable": 0}}, "maxUnavailable"),
    "a secret as a setting": (
        {"settings": {**MINIMAL, "kafka": {"bootstrap_servers": ["k:9092"], "sasl_password": "x"}}},
        "sasl_password",
    ),
    "what the chart sets": ({"settings": {**MINIMAL, "http": {"port": 1}}}, "port"),
    "its variable": ({"secretEnv": {"CRML_HTTP__PORT": {"name": "a", "key": "b"}}}, "the chart sets it"),
    "the page's variable": ({"secretEnv": {"CRML_HTTP__PAGE_PORT": {"name": "a", "key": "b"}}}, "the chart sets it"),
    "one port for both": ({"httpPort": 9000, "pagePort": 9000}, "a port of its own"),
    "a variable of others": ({"secretEnv": {"PATH": {"name": "a", "key": "b"}}}, "PATH"),
    "certificates without TLS": ({"kafkaTls": {"caSecret": "ca"}}, "security_protocol"),
    "broker without a port": (
        {"settings": {**MINIMAL, "kafka": {"bootstrap_servers": ["kafka"]}}},
        "host:port",
    ),
    "a broker with a protocol": (
        {"settings": {**MINIMAL, "kafka": {"bootstrap_servers": ["SASL_SSL://kafka:9092"]}}},
        "host:port",
    ),
    "an IPv6 broker without brackets": (
        {"settings": {**MINIMAL, "kafka": {"bootstrap_servers": ["fd00::1:9092"]}}},
        "[fd00::1]:9092",
    ),
    "a name with dots": ({"fullnameOverride": "team.crml"}, "fullnameOverride"),
    "a name that begins with a digit": ({"fullnameOverride": "2nd"}, "fullnameOverride"),
    "a name in capitals": ({"fullnameOverride": "Crml"}, "fullnameOverride"),
    "a name that ends in a hyphen": ({"fullnameOverride": "crml-"}, "fullnameOverride"),
    "a long name": ({"fullnameOverride": "x" * 53}, "fullnameOverride"),
    "a part of a name with dots": ({"nameOverride": "a.b"}, "nameOverride"),
    "a part of a name with an underscore": ({"nameOverride": "a_b"}, "nameOverride"),
    "annotations for nobody": (
        {"serviceAccount": {"create": False, "annotations": {"a": "b"}}},
        "serviceAccount.annotations",
    ),
    "scraped twice": (
        {"monitoring": {"podMonitor": {"enabled": True}, "serviceMonitor": {"enabled": True}}},
        "twice",
    ),
    "no such cron job": (_schedule(cron=""), "cron"),
    "a schedule without commands": (_schedule(commands=[]), "commands"),
    "a schedule's unknown command": (_schedule(commands=[{"operation": "Drop"}]), "no command is called Drop"),
    "a member that no command has": (_schedule(commands=[{"operation": "ListAudienceModels", "dta": {}}]), "dta"),
    "two commands with one id": (
        _schedule(commands=[{"operation": "ListAudienceModels", "id": "2"}, {"operation": "ListAudienceModels"}]),
        "two commands have the id 2",
    ),
    "two schedules with one name": ({"schedules": 2 * _schedule()["schedules"]}, "two are called nightly"),
    "a schedule called as the hook": (_schedule(name="topics"), "choose another"),
    "a schedule's long name": (
        {**_schedule(name="n" * 20), "fullnameOverride": "x" * 40},
        "a CronJob's name at most 52",
    ),
    "a schedule's unknown tenant": (_schedule(tenant="red"), "expected one of default"),
    "a schedule for one of two tenants": (
        {
            **_schedule(),
            "settings": {**MINIMAL, "tenants": {"a": {"targets": ["default"]}, "b": {"targets": ["default"]}}},
        },
        "expected one of a, b",
    ),
    "a certificate instead of none": (_schedule(kafkaClientSecret="x"), "kafkaTls.clientSecret"),
    "a label of the chart's": ({"commonLabels": {"app.kubernetes.io/name": "x"}}, "app.kubernetes.io/name"),
    "a pod's label of the chart's": ({"podLabels": {"app.kubernetes.io/instance": "x"}}, "app.kubernetes.io/instance"),
    "a label that is too long": ({"commonLabels": {"team": "x" * 64}}, "team"),
    "a label with a blank": ({"podLabels": {"team": "a b"}}, "team"),
    "a label's name": ({"commonLabels": {"the team": "x"}}, "the team"),
    "a label of a monitor": ({"monitoring": {"podMonitor": {"labels": {"helm.sh/chart": "x"}}}}, "helm.sh/chart"),
    "a digest's form": ({"image": {"digest": "latest"}}, "digest"),
    "a canary of a Deployment": (
        {"kind": "Deployment", "updateStrategy": {"partition": 1}},
        "for a StatefulSet",
    ),
    "no pod may be missing": ({"kind": "Deployment", "updateStrategy": {"maxUnavailable": 0}}, "maxUnavailable"),
    "no server of names": ({"dnsPolicy": "None"}, "dnsConfig.nameservers"),
    "a scrape longer than its interval": (
        {"monitoring": {"podMonitor": {"enabled": True, "interval": "30s", "scrapeTimeout": "1m"}}},
        "scrapeTimeout (1m) must not be above interval (30s)",
    ),
    "a member of resources": ({"topicsJob": {"resources": {"claims": {}}}}, "claims"),
}


def _refusal(values: dict[str, Any], folder: Path, major: int) -> str:
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    with pytest.raises(Refused) as refused:
        template(major, file)
    return str(refused.value)


@pytest.mark.parametrize("name", SETTINGS)
def test_the_chart_refuses_what_the_service_refuses(name: str, tmp_path: Path) -> None:
    change, expected = SETTINGS[name]
    settings = {**MINIMAL, **change}
    if "targets" in change:
        settings["targets"] = {key: target for key, target in change["targets"].items() if target is not None}
    if "kafka" in change:
        settings["kafka"] = {**MINIMAL["kafka"], **change["kafka"]}
    file = tmp_path / "settings.yaml"
    file.write_text(yaml.safe_dump(settings))
    with pytest.raises(SettingsError):
        load(file, {})
    for major in (3, 4):
        assert expected in _refusal({"settings": settings}, tmp_path, major)


@pytest.mark.parametrize("name", VALUES)
def test_the_chart_refuses(name: str, tmp_path: Path) -> None:
    change, expected = VALUES[name]
    for major in (3, 4):
        assert expected in _refusal({"settings": MINIMAL, **change}, tmp_path, major)


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    settings = {**MINIMAL, "timing": {"settle": 1, "retry_cap": 0.5}, "default_target": "x"}
    text = _refusal({"settings": settings, "terminationGracePeriodSeconds": 5}, tmp_path, 4)
    assert "4 problem(s)" in text


def test_a_parent_chart_may_pass_its_own(tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump({"settings": MINIMAL, "global": {"anything": 1}, "enabled": True}))
    for major in (3, 4):
        assert template(major, file)


def test_the_readme_names_no_value_that_is_not_there() -> None:
    assert "{{" not in (CHART / "README.md").read_text()
