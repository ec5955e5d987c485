"""Nothing of this machine's configuration reaches the sandbox's own sessions."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES
from botocore.loaders import Loader

from sandbox import aws_session
from sandbox.cleanroomsml import api_model
from sandbox.jobs import storage
from sandbox.jobs.storage import Storage

BROKEN = {
    variable: "nope"
    for _, variables, *_ in BOTOCORE_DEFAUT_SESSION_VARIABLES.values()
    for variable in ([variables] if isinstance(variables, str) else variables or ())
} | {"AWS_S3_US_EAST_1_REGIONAL_ENDPOINT": "nope", "AWS_S3_USE_ARN_REGION": "nope", "HTTP_PROXY": "nope"}
FORGED = {"version": "2.0", "metadata": {"apiVersion": "2029-01-01", "protocol": "rest-json"}, "operations": {}}


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every variable that botocore knows, and a configuration file that can't be read."""
    for name, value in BROKEN.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "config").write_text("[default\nx")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "config"))


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize("service", ["s3", "glue"])
def test_clients_are_made_whatever_is_configured(service: str) -> None:
    made = storage.client.__wrapped__(Storage("http://127.0.0.1:9", "eu-west-1", "111122223333"), service)
    assert (made.meta.endpoint_url, made.meta.region_name) == ("http://127.0.0.1:9", "eu-west-1")
    made.close()


@pytest.mark.usefixtures("broken")
def test_a_session_has_no_profile_and_no_option() -> None:
    session = aws_session.own_session()
    assert session.get_scoped_config() == {}
    assert session.get_config_variable("profile") is None
    assert session.get_config_variable("retry_mode") == "legacy"


def test_a_model_of_the_machine_is_not_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "cleanroomsml" / "2029-01-01"
    folder.mkdir(parents=True)
    (folder / "service-2.json").write_text(json.dumps(FORGED))
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    monkeypatch.setattr(Loader, "CUSTOMER_DATA_PATH", str(tmp_path))  # ~/.aws/models, as of the import
    aws_session.loader.cache_clear()
    assert api_model.service_model.__wrapped__().api_version == api_model.service_model().api_version == "2023-09-06"


@pytest.mark.usefixtures("broken")
def test_the_child_is_given_none_of_it() -> None:
    given = aws_session.environment()
    assert {name for name in given if name.startswith(("AWS_", "BOTO"))} == {
        "AWS_CONFIG_FILE",
        "AWS_SHARED_CREDENTIALS_FILE",
    }
    assert given["PATH"] == os.environ["PATH"]
    code = (
        "from moto.core.base_backend import BackendDict; from moto.s3.models import S3Backend; import moto.glue.models"
    )
    done = subprocess.run([sys.executable, "-c", code], env=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
