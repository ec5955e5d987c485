"""MovieLens-100k as demo and benchmark data: 943 people, 1,682 films, 100,000 ratings.

Source: F. M. Harper and J. A. Konstan, "The MovieLens Datasets: History and Context", ACM TiiS 5(4), 2015.

The data is never committed here. It comes from the wheel of the ``recbole`` package, fetched as any package is, by pip
and with the hash in ``requirements/movielens.lock``, into a cache folder; the wheel is opened as a zip, not imported.

The demo asks an honest question: *who will like this film?* All of the film's ratings leave the training data, half of
those who liked it become the seed, and the other half stay hidden to check the audience (`Taste`).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sandbox.jobs.storage import Storage, client, seed_lines

LOCK = Path(__file__).resolve().parents[2] / "requirements" / "movielens.lock"
FOLDER = "recbole/dataset_example/ml-100k/ml-100k"
COLUMNS = (("user_id", "USER_ID"), ("item_id", "ITEM_ID"), ("timestamp", "TIMESTAMP"))
"""Schema to declare for the demo's training dataset; the table's fourth column, rating, is not needed."""
LIKED = 4
"""A rating (1..5) from which on a person liked a film; the page of goals uses the same."""
DEMO_TITLE = "Blade Runner"

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Ratings:
    """The 100,000 ratings, one entry each, in the file's order.

    Attributes:
        users: user ids, 1..943.
        items: item ids, 1..1682.
        stars: 1..5.
        times: Unix seconds.
    """

    users: Indices
    items: Indices
    stars: Indices
    times: Indices

    def without(self, items: Iterable[int]) -> Ratings:
        """The same without all ratings of some items."""
        kept = ~np.isin(self.items, list(items))
        return Ratings(self.users[kept], self.items[kept], self.stars[kept], self.times[kept])

    def likers(self, item: int) -> Indices:
        """Ids of the users who liked an item, ascending."""
        return np.unique(self.users[(self.items == item) & (self.stars >= LIKED)])


@dataclass(frozen=True, slots=True)
class Person:
    """What a user said about themselves."""

    age: int
    sex: str
    occupation: str


@dataclass(frozen=True, slots=True)
class Taste:
    """A film, and those who liked it in two halves.

    Attributes:
        item: the film's item id.
        title: the film's title.
        seed: user ids to give to the service.
        hidden: user ids that are not in the seed; a good audience contains many of them.
    """

    item: int
    title: str
    seed: tuple[str, ...]
    hidden: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """How well an audience hit the hidden likers.

    Attributes:
        size: users in the audience, seeds left out.
        hits: hidden likers among them.
        hidden: hidden likers in all.
        by_chance: hidden likers which a random audience of equal size holds on average.
    """

    size: int
    hits: int
    hidden: int
    by_chance: float

    @property
    def lift(self) -> float:
        """How many times better than chance."""
        return self.hits / self.by_chance if self.by_chance else 0.0


@dataclass(frozen=True, slots=True)
class Catalogued:
    """What `catalogue` made.

    Attributes:
        bucket: S3 bucket.
        database: Glue database.
        table: Glue table of the ratings.
        columns: (column name, column type) pairs to declare in CreateTrainingDataset.
        seed_uri: the seed, for StartAudienceGenerationJob.
        output_uri: where exports may go, for CreateConfiguredAudienceModel.
    """

    bucket: str
    database: str
    table: str
    columns: tuple[tuple[str, str], ...]
    seed_uri: str
    output_uri: str


class DownloadError(Exception):
    """The wheel which holds the data could not be fetched; the message ends with pip's own words."""


def cache_folder() -> Path:
    """Where downloads are kept: ``$XDG_CACHE_HOME`` or ``~/.cache``, then ``cleanroomsml-service``."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "cleanroomsml-service"


def fetch(folder: Path | None = None) -> Path:
    """Return the wheel's path, downloading it into ``folder`` (default: the cache) unless an intact one is there.

    Raises:
        DownloadError: pip could not get it, or got something with another hash.
    """
    folder = folder or cache_folder()
    name, digest = _locked()
    for wheel in folder.glob(name):
        if hashlib.sha256(wheel.read_bytes()).hexdigest() == digest:
            return wheel
        wheel.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    options = ["--no-deps", "--require-hashes", "--disable-pip-version-check", "--quiet"]
    command = [sys.executable, "-m", "pip", "download", *options, "-r", str(LOCK), "-d", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = sorted(folder.glob(name))
    if done.returncode or not wheels:
        raise DownloadError(f"pip could not download the MovieLens data: {done.stderr.strip()[-2000:]}")
    return wheels[0]


def interactions() -> Ratings:
    """All ratings (the arrays are shared: do not write to them)."""
    return _ratings()


@cache
def titles() -> dict[int, str]:
    """Item id -> title, without the year, articles at the end as in the data ("Terminator, The")."""
    return {int(row[0]): row[1] for row in _rows("item")}


@cache
def people() -> dict[int, Person]:
    """User id -> age in years, sex (M or F) and occupation."""
    return {int(row[0]): Person(int(row[1]), row[2], row[3]) for row in _rows("user")}


def item_titled(title: str) -> int:
    """Item id of a title, compared without case; of several films with one title, the most rated.

    Raises:
        KeyError: no film has this title.
    """
    found = [item for item, known in titles().items() if known.casefold() == title.casefold()]
    if not found:
        raise KeyError(f"MovieLens-100k has no film titled {title!r}")
    return max(found, key=lambda item: (int((_ratings().items == item).sum()), -item))


def seed_for(title: str = DEMO_TITLE, random_seed: int = 7) -> Taste:
    """Split those who liked a film at random into a seed and a hidden half."""
    item = item_titled(title)
    likers = np.random.default_rng(random_seed).permutation(_ratings().likers(item))
    half = len(likers) // 2
    seed, hidden = (tuple(str(user) for user in np.sort(part)) for part in (likers[:half], likers[half:]))
    return Taste(item, titles()[item], seed, hidden)


def training_csv(taste: Taste | None = None) -> bytes:
    """The upload: ``user_id,item_id,timestamp,rating`` with a header, without any rating of the taste's film."""
    kept = _ratings().without([taste.item] if taste else [])
    columns = zip(kept.users.tolist(), kept.items.tolist(), kept.times.tolist(), kept.stars.tolist(), strict=True)
    lines = ["user_id,item_id,timestamp,rating", *(",".join(map(str, row)) for row in columns)]
    return ("\n".join(lines) + "\n").encode()


def judge(audience: Iterable[str], taste: Taste) -> Verdict:
    """Compare an audience (user ids) with the hidden likers; seeds in the audience are ignored."""
    seed, hidden = set(taste.seed), set(taste.hidden)
    chosen = {user for user in audience if user not in seed}
    candidates = len(people()) - len(seed)
    return Verdict(len(chosen), len(chosen & hidden), len(hidden), len(chosen) * len(hidden) / candidates)


def catalogue(
    storage: Storage,
    taste: Taste,
    bucket: str = "clean-rooms-ml-demo",
    database: str = "movielens",
    table: str = "ratings",
) -> Catalogued:
    """Upload a taste's training data and seed, and describe the table in Glue; doing it again replaces both."""
    objects = {f"training/{table}/ratings.csv": training_csv(taste), "seed/seed.jsonl": seed_lines(taste.seed).encode()}
    provision(storage, bucket, objects, database, _glue_table(table, f"s3://{bucket}/training/{table}/"))
    seed_uri, output_uri = f"s3://{bucket}/seed/seed.jsonl", f"s3://{bucket}/audiences"
    return Catalogued(bucket, database, table, COLUMNS, seed_uri, output_uri)


def provision(
    storage: Storage, bucket: str, objects: Mapping[str, bytes], database: str, description: Mapping[str, Any]
) -> None:
    """Put objects into S3 and a table into Glue; what has the same name is replaced."""
    s3, glue = client(storage, "s3"), client(storage, "glue")
    location = {} if storage.region == "us-east-1" else {"LocationConstraint": storage.region}
    with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(Bucket=bucket, **({"CreateBucketConfiguration": location} if location else {}))
    for key, body in objects.items():
        s3.put_object(Bucket=bucket, Key=key, Body=body)
    with contextlib.suppress(glue.exceptions.AlreadyExistsException):
        glue.create_database(DatabaseInput={"Name": database})
    try:
        glue.create_table(DatabaseName=database, TableInput=description)
    except glue.exceptions.AlreadyExistsException:
        glue.update_table(DatabaseName=database, TableInput=description)


def _glue_table(name: str, location: str) -> dict[str, Any]:
    """Glue's TableInput for the uploaded CSV."""
    types = {"user_id": "string", "item_id": "string", "timestamp": "bigint", "rating": "int"}
    return {
        "Name": name,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"classification": "csv", "skip.header.line.count": "1"},
        "StorageDescriptor": {
            "Columns": [{"Name": column, "Type": kind} for column, kind in types.items()],
            "Location": location,
            "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
            "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
            "SerdeInfo": {
                "SerializationLibrary": "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
                "Parameters": {"field.delim": ","},
            },
        },
    }


@cache
def _ratings() -> Ratings:
    table = np.array([[float(cell) for cell in row] for row in _rows("inter")]).astype(np.int64)
    table.setflags(write=False)
    users, items, stars, times = (table[:, column] for column in range(4))
    return Ratings(users, items, stars, times)


def _rows(kind: str) -> list[list[str]]:
    """Rows of one of the wheel's tab-separated files (``inter``, ``item`` or ``user``), header left out."""
    with zipfile.ZipFile(fetch()) as wheel:
        lines = wheel.read(f"{FOLDER}.{kind}").decode().splitlines()
    return [line.split("\t") for line in lines[1:]]


def _locked() -> tuple[str, str]:
    """File name pattern and SHA-256 of the wheel, as the lock file says."""
    text = LOCK.read_text()
    pinned = re.search(r"^(\w+)==([\w.]+)", text, re.MULTILINE)
    digest = re.search(r"--hash=sha256:([0-9a-f]{64})", text)
    if not pinned or not digest:
        raise DownloadError(f"{LOCK.name} names no pinned package with a SHA-256 hash")
    return f"{pinned[1]}-{pinned[2]}-*.whl", digest[1]
