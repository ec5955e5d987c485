"""A small table of ratings in S3 and Glue, large enough for the demo profile, and a seed."""

from collections.abc import Callable
from typing import Any

USERS = 120
COLUMNS = (("user_id", "string"), ("item_id", "string"), ("timestamp", "bigint"))


def provide(client: Callable[[str], Any], bucket: str, region: str) -> None:
    """Make `films.ratings` and `s3://<bucket>/seed.jsonl` by the clients that are given."""
    rows = "".join(f"u{user},i{(user * 7 + n) % 40},{1_700_000_000 + n}\n" for user in range(USERS) for n in range(12))
    seed = b"".join(b'{"user_id": "u%d"}\n' % user for user in range(0, 80, 2))
    s3, glue = client("s3"), client("glue")
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": region})
    s3.put_object(Bucket=bucket, Key="ratings/r.csv", Body=rows.encode())
    s3.put_object(Bucket=bucket, Key="seed.jsonl", Body=seed)
    glue.create_database(DatabaseInput={"Name": "films"})
    storage = {
        "Columns": [{"Name": name, "Type": kind} for name, kind in COLUMNS],
        "Location": f"s3://{bucket}/ratings/",
        "SerdeInfo": {
            "SerializationLibrary": "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
            "Parameters": {"field.delim": ","},
        },
    }
    glue.create_table(DatabaseName="films", TableInput={"Name": "ratings", "StorageDescriptor": storage})
