"""Every term of the SDK's reference has its counterpart among the settings, or a reason."""

import re
from pathlib import Path
from typing import Any

import pytest

from schemas.operations import OPERATIONS
from schemas.shapes import API_VERSION
from service.policy import policy
from service.settings import Settings, Target, load

PAGE = (Path(__file__).parents[4] / "docs" / "sdk-terms.md").read_text("utf-8")
OPTIONS = re.findall(
    r"\w+",
    """
params endpoint accessKeyId secretAccessKey sessionToken credentials credentialProvider region maxRetries maxRedirects
sslEnabled paramValidation computeChecksums convertResponseTypes correctClockSkew s3ForcePathStyle s3BucketEndpoint
s3DisableBodySigning s3UsEast1RegionalEndpoint s3UseArnRegion retryDelayOptions httpOptions apiVersion apiVersions
logger systemClockOffset signatureVersion signatureCache dynamoDbCrc32 useAccelerateEndpoint clientSideMonitoring
endpointDiscoveryEnabled endpointCacheSize hostPrefixEnabled stsRegionalEndpoints useFipsEndpoint useDualstackEndpoint
""",
)
GROUPS = {name: field.annotation for name, field in Settings.model_fields.items()}


def _rows(heading: str) -> dict[str, str]:
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| (.+?) \| (.+) \|$", section, re.MULTILINE)[1:])


def _exists(setting: str) -> bool:
    holder: Any
    if "*" in setting:
        holder, path = Target, setting.removeprefix("targets.*.").split(".")
    else:
        group, *path = setting.split(".")
        holder = GROUPS.get(group)
    for name in path:
        fields = getattr(holder, "model_fields", {})
        if name not in fields:
            return False
        holder = fields[name].annotation
    return True


SETTING = re.compile(r"`((?:targets\.\*|timing|log|rules|kafka|runtime|http|polling)\.[a-z_.]+)`")


def test_each_of_the_37_options_has_a_row() -> None:
    assert len(OPTIONS) == 37
    assert [name.strip("`") for name in _rows("Options of the client")] == OPTIONS


@pytest.mark.parametrize(("option", "here"), _rows("Options of the client").items())
def test_a_row_names_a_setting_or_a_reason(option: str, here: str) -> None:
    named = SETTING.findall(here)
    assert named or re.match(r"none, because \w+", here), option
    assert [setting for setting in named if not _exists(setting)] == []


def test_what_the_issue_names_has_a_row() -> None:
    words = " ".join(_rows("Methods and words"))
    for word in ("waitFor", "makeUnauthenticatedRequest", "nextToken", "err.code"):
        assert word in words


def test_a_setting_that_does_not_exist_is_noticed() -> None:
    assert _exists("targets.*.region")
    assert _exists("timing.read_retry_limit")
    assert not _exists("targets.*.retries")
    assert not _exists("targets.*.params.name")
    assert not _exists("timing.retries")


def test_facts_of_the_page_are_those_of_the_code() -> None:
    assert API_VERSION in _rows("Options of the client")["`apiVersion`"]
    for name in re.findall(r"cleanroomsml\.command\.(\w+)", PAGE):
        assert name in OPERATIONS


def test_the_limits_of_retries_reach_the_core() -> None:
    """What the row of ``maxRetries`` names is what decides."""
    environ = {
        "CRML_KAFKA__BOOTSTRAP_SERVERS": "localhost:9092",
        "CRML_TARGETS__DEFAULT__REGION": "eu-west-1",
        "CRML_TIMING__READ_RETRY_LIMIT": "5",
        "CRML_TIMING__WRITE_RETRY_LIMIT": "50",
    }
    numbers = policy(load(environ=environ))
    assert (numbers.read_retry_limit, numbers.write_retry_limit) == (5.0, 50.0)
