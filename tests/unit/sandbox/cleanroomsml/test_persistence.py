"""A data directory: what a new process finds of what the process before it had, also when that one was killed."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.cleanroomsml.options import Options, Timing
from sandbox.cleanroomsml.persistence import PersistenceError, SqliteFile
from sandbox.embedded import running_sandbox
from tests.support.ratings_table import provide
from tests.support.sandbox_account import World, until
from tests.unit.sandbox.test_serve import served

ACCOUNT = "123456789012"


@contextlib.contextmanager
def living(folder: Path, *options: str) -> Iterator[tuple[World, int]]:
    with served("--data-dir", str(folder), "--pending", "0.1", "--floor", "0.1", *options) as (process, url):
        world = World(url, ACCOUNT)
        yield world, process.pid
        world.close()
        if process.poll() is None:
            os.kill(process.pid, signal.SIGTERM)
        process.wait(20)


def everything(world: World) -> dict[str, Any]:
    """All that the API says, but for when S3 says an object was written, and request ids."""
    ml, s3, glue = world.ml, world.client("s3"), world.client("glue")
    said: dict[str, Any] = {
        "datasets": ml.list_training_datasets()["trainingDatasets"],
        "models": ml.list_audience_models()["audienceModels"],
        "configured": ml.list_configured_audience_models()["configuredAudienceModels"],
        "exports": ml.list_audience_export_jobs()["audienceExportJobs"],
        "table": glue.get_table(DatabaseName="films", Name="ratings")["Table"]["StorageDescriptor"],
        "objects": {},
    }
    jobs = ml.list_audience_generation_jobs()["audienceGenerationJobs"]
    said["jobs"] = [
        ml.get_audience_generation_job(audienceGenerationJobArn=each["audienceGenerationJobArn"]) for each in jobs
    ]
    for each in said["configured"]:
        arn = each["configuredAudienceModelArn"]
        said["policy"] = ml.get_configured_audience_model_policy(configuredAudienceModelArn=arn)
    for bucket in s3.list_buckets()["Buckets"]:
        for item in s3.list_objects_v2(Bucket=bucket["Name"]).get("Contents", []):
            body = s3.get_object(Bucket=bucket["Name"], Key=item["Key"])["Body"].read()
            said["objects"][bucket["Name"], item["Key"]] = (item["ETag"], body)
    for part in [said["policy"], *said["jobs"]]:
        del part["ResponseMetadata"]
    return said


def multipart(world: World, bucket: str) -> tuple[Any, dict[str, Any]]:
    """An upload of two parts, one of which has come."""
    s3 = world.client("s3")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="large")["UploadId"]
    place = {"Bucket": bucket, "Key": "large", "UploadId": upload}
    part = s3.upload_part(**place, PartNumber=1, Body=b"x" * 5_242_880)
    return part["ETag"], place


def test_all_is_found_again_after_a_kill_and_after_a_stop(tmp_path: Path) -> None:
    with living(tmp_path) as (world, pid):
        bucket = "data-of-films"
        provide(world.client, bucket, world.region)
        output = {"destination": {"s3Destination": {"s3Uri": f"s3://{bucket}/out"}}, "roleArn": world.role}
        model = world.active_model(trainingDataStartTime="2020-01-01T00:00:00Z", tags={"a b": "ü"})
        configured = world.configured(model, outputConfig=output)
        world.ml.put_configured_audience_model_policy(
            configuredAudienceModelArn=configured, configuredAudienceModelPolicy='{"Statement": []}'
        )
        job = world.job(configured, f"s3://{bucket}/seed.jsonl")
        assert world.until_job(job)["status"] == "ACTIVE"
        world.export(job)
        assert world.until_export(job)["status"] == "ACTIVE"
        etag, place = multipart(world, bucket)
        keys = world.client("sts").assume_role(RoleArn=world.role.replace("1234", "9999"), RoleSessionName="session")
        before = everything(world)
        os.kill(pid, signal.SIGKILL)
    with living(tmp_path) as (world, pid):
        assert everything(world) == before
        os.kill(pid, signal.SIGTERM)
    with living(tmp_path) as (world, _pid):
        assert everything(world) == before
        parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
        world.client("s3").complete_multipart_upload(**place, MultipartUpload=parts)
        credentials = keys["Credentials"]
        guest = world.client(
            "sts",
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials["SessionToken"],
        )
        assert guest.get_caller_identity()["Account"] == "999956789012"
        world.export(job, name="e2", value=10)
        found = until(lambda: world.ml.list_audience_export_jobs()["audienceExportJobs"][-1])
        assert found["status"] == "ACTIVE", "the audience of the process before is still there"


def test_what_was_under_way_goes_on(tmp_path: Path) -> None:
    with living(tmp_path) as (world, pid):
        bucket = "data-of-films"
        provide(world.client, bucket, world.region)
        doomed = world.active_model()
        world.fault("stuck", "CreateAudienceModel")
        stuck = world.model(world.dataset("d2"))
        world.fault("stuck", "DeleteAudienceModel")
        world.ml.delete_audience_model(audienceModelArn=doomed)
        statuses: dict[str, str] = {}
        deadline = time.monotonic() + 20
        while statuses != {doomed: "DELETE_IN_PROGRESS", stuck: "CREATE_IN_PROGRESS"} and time.monotonic() < deadline:
            listed = world.ml.list_audience_models()["audienceModels"]
            statuses = {each["audienceModelArn"]: each["status"] for each in listed}
            time.sleep(0.05)
        os.kill(pid, signal.SIGKILL)
    with living(tmp_path) as (world, _pid):
        assert world.until_model(stuck)["status"] == "ACTIVE"
        deadline = time.monotonic() + 20
        while len(listed := world.ml.list_audience_models()["audienceModels"]) > 1 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert [each["audienceModelArn"] for each in listed] == [stuck]


def test_a_reset_begins_anew_also_for_the_next_process(tmp_path: Path) -> None:
    options = Options(timing=Timing(0.02, 0.02), data_dir=tmp_path, jobs_module="tests.support.quick_jobs")
    with running_sandbox(options) as url:
        world = World(url, ACCOUNT)
        world.active_job()
        world.fault("throttle", "*", count=None)
        world.admin("POST", "reset")
        assert world.admin("GET", "state") == {"resources": []}
        assert world.admin("GET", "faults") == {"faults": []}
        assert world.admin("GET", "requests")["total"] == 0
        assert world.client("s3").list_buckets()["Buckets"] == []
        assert not list(tmp_path.rglob("model.json")) + list(tmp_path.rglob("audience.json"))
        world.close()
    with running_sandbox(options) as url:
        world = World(url, ACCOUNT)
        assert world.admin("GET", "state") == {"resources": []}
        assert world.client("s3").list_buckets()["Buckets"] == []
        world.dataset()
        world.close()


def test_two_sandboxes_cannot_share_a_directory(tmp_path: Path) -> None:
    first = SqliteFile(tmp_path)
    with pytest.raises(PersistenceError, match="another sandbox"):
        SqliteFile(tmp_path)
    first.close()


def test_a_state_of_another_version_is_refused(tmp_path: Path) -> None:
    first = SqliteFile(tmp_path)
    first._file.execute("PRAGMA user_version = 99")
    first.close()
    with pytest.raises(PersistenceError, match="version 99"):
        SqliteFile(tmp_path)
