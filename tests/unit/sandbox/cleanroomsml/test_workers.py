"""The server with the real `sandbox.jobs.worker`: a small invented table is trained on; the audience is right."""

import json
import random
from collections.abc import Iterator

import pytest

from sandbox.cleanroomsml.options import Options, Timing
from sandbox.embedded import running_sandbox
from tests.support.sandbox_account import World

USERS, FILMS = 200, 40


@pytest.fixture(scope="module")
def real() -> Iterator[World]:
    with running_sandbox(Options(timing=Timing(0.02, 0.02))) as url:
        world = World(url, "123456789012")
        yield world
        world.close()


def interactions() -> bytes:
    """Even users see even films, odd users odd ones."""
    chance = random.Random(3)
    lines = ["user_id,item_id,timestamp"]
    for user in range(USERS):
        films = chance.sample(range(user % 2, FILMS, 2), 12)
        lines += [f"u-{user},f-{film},{1_700_000_000 + user}" for film in films]
    return "\n".join(lines).encode()


def catalogue(world: World) -> str:
    s3, glue, bucket = world.client("s3"), world.client("glue"), world.bucket()
    s3.put_object(Bucket=bucket, Key="training/a.csv", Body=interactions())
    seed = b"".join(json.dumps({"user_id": f"u-{user}"}).encode() + b"\n" for user in range(0, 60, 2))
    s3.put_object(Bucket=bucket, Key="seed.jsonl", Body=seed)
    columns = [{"Name": "user_id", "Type": "string"}, {"Name": "item_id", "Type": "string"}]
    descriptor = {
        "Columns": [*columns, {"Name": "timestamp", "Type": "bigint"}],
        "Location": f"s3://{bucket}/training/",
        "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.serde2.OpenCSVSerde"},
    }
    facts = {"classification": "csv", "skip.header.line.count": "1"}
    glue.create_database(DatabaseInput={"Name": "films"})
    table = {"Name": "ratings", "StorageDescriptor": descriptor, "Parameters": facts}
    glue.create_table(DatabaseName="films", TableInput=table)
    return f"s3://{bucket}/seed.jsonl"


def test_from_table_to_audience(real: World) -> None:
    seed = catalogue(real)
    model = real.model()
    got = real.until_model(model)
    assert got["status"] == "ACTIVE", got["statusDetails"]
    job = real.job(real.configured(model), seed)
    got = real.until_job(job)
    assert got["status"] == "ACTIVE", got["statusDetails"]
    assert got["metrics"]["recallMetric"] > 0.25, "chance gives 0.2"
    real.export(job, value=20)
    export = real.until_export(job)
    assert export["status"] == "ACTIVE", export["statusDetails"]
    bucket, _, prefix = export["outputLocation"].removeprefix("s3://").partition("/")
    s3 = real.client("s3")
    [part] = s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]
    rows = s3.get_object(Bucket=bucket, Key=part["Key"])["Body"].read().splitlines()
    users = [int(json.loads(row)["user_id"].removeprefix("u-")) for row in rows]
    assert len(users) == USERS * 20 // 100
    assert sum(user % 2 == 0 for user in users) > 0.9 * len(users)


def test_a_missing_table_fails_the_training(real: World) -> None:
    got = real.until_model(real.model(real.dataset(name="d2", table="nothing"), name="m2"))
    assert got["status"] == "CREATE_FAILED"
    assert got["statusDetails"]["statusCode"] == "TRAINING_DATA_READ_FAILED"


def test_an_analysis_template_cannot_be_run(real: World) -> None:
    template = "arn:aws:cleanrooms:eu-west-1:123456789012:membership/m-1/analysistemplate/t-1"
    audience = {"roleArn": real.role, "sqlParameters": {"analysisTemplateArn": template}}
    [model] = [m for m in real.ml.list_audience_models()["audienceModels"] if m["status"] == "ACTIVE"]
    configured = real.configured(model["audienceModelArn"], name="c2")
    collaboration = "6b1f0c52-0000-4000-8000-0123456789ab"
    got = real.until_job(real.job(configured, "", "g2", seedAudience=audience, collaborationId=collaboration))
    assert got["statusDetails"]["statusCode"] == "SEED_READ_FAILED"


def test_values_stay_in_the_data(
    real: World, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """What is bad in a table, a seed or a query is in no answer, on no page and in no log."""
    s3, glue, bucket = real.client("s3"), real.client("glue"), real.bucket("secrets")
    s3.put_object(Bucket=bucket, Key="people/a.json", Body=b'{"user_id": "Ottilie Zwack", "timestamp": "Zwack"}\n')
    s3.put_object(Bucket=bucket, Key="seed.jsonl", Body=b'{"user_id": "Ottilie Zwack}\n')
    columns = [{"Name": "user_id", "Type": "string"}, {"Name": "item_id", "Type": "string"}]
    descriptor = {
        "Columns": [*columns, {"Name": "timestamp", "Type": "bigint"}],
        "Location": f"s3://{bucket}/people/",
        "SerdeInfo": {"SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe"},
    }
    glue.create_table(DatabaseName="films", TableInput={"Name": "people", "StorageDescriptor": descriptor})
    model = real.model(real.dataset(name="d3", table="people"), name="m3")
    [active] = [m for m in real.ml.list_audience_models()["audienceModels"] if m["status"] == "ACTIVE"]
    configured = real.configured(active["audienceModelArn"], name="c3")
    audience = {"roleArn": real.role, "sqlParameters": {"queryString": "SELECT user_id::INT FROM people"}}
    jobs = [
        real.job(configured, f"s3://{bucket}/seed.jsonl", "g3"),
        real.job(configured, "", "g4", seedAudience=audience, collaborationId="6b1f0c52-0000-4000-8000-0123456789ab"),
    ]
    seen = [real.until_model(model), *map(real.until_job, jobs)]
    codes = [each["statusDetails"]["statusCode"] for each in seen]
    assert codes == ["TRAINING_DATA_READ_FAILED", "SEED_READ_FAILED", "SEED_READ_FAILED"]
    shown = [*map(str, seen), str(real.admin("GET", "state")), str(real.admin("GET", "requests")), caplog.text]
    assert not [each for each in (*shown, *capfd.readouterr()) if "Ottilie" in each or "Zwack" in each]
