"""Pages, tokens and filters."""

import base64

import pytest

from tests.support.sandbox_account import World


def test_pages_are_whole_and_stable(world: World) -> None:
    made = [world.dataset(name=f"d{n}") for n in range(7)]
    first = world.ml.list_training_datasets(maxResults=3)
    assert [each["trainingDatasetArn"] for each in first["trainingDatasets"]] == made[:3]
    made.append(world.dataset(name="late"))
    pages = world.ml.get_paginator("list_training_datasets").paginate(
        PaginationConfig={"PageSize": 3, "StartingToken": first["nextToken"]}
    )
    assert [each["trainingDatasetArn"] for page in pages for each in page["trainingDatasets"]] == made[3:]


def test_a_full_last_page_has_no_token(world: World) -> None:
    for n in range(3):
        world.dataset(name=f"d{n}")
    assert "nextToken" not in world.ml.list_training_datasets(maxResults=3)


def test_default_page_is_100(world: World) -> None:
    for n in range(101):
        world.dataset(name=f"d{n}")
    page = world.ml.list_training_datasets()
    assert len(page["trainingDatasets"]) == 100
    assert len(world.ml.list_training_datasets(nextToken=page["nextToken"])["trainingDatasets"]) == 1


def token(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "token",
    [
        *("garbage", "e30=", "W10=", "WzEsICJ4Iiwge31d"),
        *(token("[" * depth) for depth in (1_000, 3_000)),
        token("[" * 900 + "]" * 900),
        token('[true, "ListTrainingDatasets", {}]'),
        token('[1.0, "ListTrainingDatasets", {}]'),
        token('[NaN, "ListTrainingDatasets", {}]'),
        token('{"a": 1}'),
        "\u00e9",
    ],
)
def test_a_foreign_token_is_refused(world: World, token: str) -> None:
    with pytest.raises(world.ml.exceptions.ValidationException, match="'nextToken'"):
        world.ml.list_training_datasets(nextToken=token)


def test_filters(world: World) -> None:
    model = world.active_model()
    seed = world.put_seed()
    first, second = world.configured(model), world.configured(model, name="c2")
    wanted = world.job(first, seed, name="g1")
    world.job(second, seed, name="g2")
    listed = world.ml.list_audience_generation_jobs(configuredAudienceModelArn=first)["audienceGenerationJobs"]
    assert [each["audienceGenerationJobArn"] for each in listed] == [wanted]
