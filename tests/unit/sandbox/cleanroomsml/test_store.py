"""The store of all resources: whose they are, what goes with what, and what outlives the process."""

from datetime import UTC, datetime

import pytest

from sandbox.cleanroomsml.errors import AccessDenied, NotFound
from sandbox.cleanroomsml.persistence import InMemory
from sandbox.cleanroomsml.resources import ACTIVE, CONFIGURED, DATASET, EXPORT, GENERATION, MODEL, Kind, Resource
from sandbox.cleanroomsml.store import Store

ACCOUNT, OTHER, REGION = "111122223333", "444455556666", "eu-west-1"


class Kept(InMemory):
    """Persistence that keeps what is saved, by ARN."""

    def __init__(self, *resources: Resource) -> None:
        self.kept = {each.arn: each for each in resources}

    def load(self) -> list[Resource]:
        return list(self.kept.values())

    def save(self, *resources: Resource) -> None:
        self.kept |= {each.arn: each for each in resources}

    def remove(self, *resources: Resource) -> None:
        for each in resources:
            self.kept.pop(each.arn, None)

    def clear(self) -> None:
        self.kept.clear()


def add(store: Store, kind: Kind = DATASET, account: str = ACCOUNT, region: str = REGION, **more: object) -> Resource:
    return store.add(kind, account, region, {"name": "n", "status": ACTIVE, **more})


def test_a_new_resource_has_its_times_arn_and_first_status() -> None:
    before = datetime.now(UTC)
    resource = add(Store())
    assert resource.attributes["trainingDatasetArn"] == resource.arn
    assert before <= resource.created == resource.attributes["updateTime"] <= datetime.now(UTC)
    assert resource.history == [(ACTIVE, resource.created)]


def test_the_attributes_of_a_request_are_not_the_resources_own() -> None:
    attributes = {"name": "n", "status": ACTIVE}
    resource = Store().add(DATASET, ACCOUNT, REGION, attributes)
    resource.attributes["name"] = "other"
    assert attributes == {"name": "n", "status": ACTIVE}


def test_a_resource_is_found_by_its_own_account_region_and_kind_only() -> None:
    store = Store()
    resource = add(store)
    assert store.get(resource.arn, ACCOUNT, REGION) is resource
    assert store.get(resource.arn, ACCOUNT, REGION, {DATASET.name: DATASET}) is resource
    for error, account, region, kinds in (
        (AccessDenied, OTHER, REGION, {DATASET.name: DATASET}),
        (NotFound, ACCOUNT, "us-east-1", {DATASET.name: DATASET}),
        (NotFound, ACCOUNT, REGION, {MODEL.name: MODEL}),
    ):
        with pytest.raises(error):
            store.get(resource.arn, account, region, kinds)
    with pytest.raises(NotFound):
        store.get(resource.arn + "x", ACCOUNT, REGION)
    assert store.find(resource.arn) is resource
    assert store.find(resource.arn + "x") is None


def test_resources_of_a_kind_come_oldest_first_and_of_one_account_and_region() -> None:
    store = Store()
    first, other_kind = add(store), add(store, CONFIGURED)
    add(store, account=OTHER)
    add(store, region="us-east-1")
    second = add(store)
    assert list(store.of(DATASET, ACCOUNT, REGION)) == [first, second]
    assert [each.sequence for each in store] == [1, 2, 3, 4, 5]
    assert other_kind.sequence == 2


@pytest.mark.parametrize("vanish", [True, False])
def test_exports_go_with_their_generation_job_if_they_are_assumed_to(vanish: bool) -> None:
    kept = Kept()
    store = Store(kept, exports_vanish=vanish)
    job = add(store, GENERATION)
    export, stranger = (add(store, EXPORT, audienceGenerationJobArn=arn) for arn in (job.arn, "arn:another"))
    for each in (job, export, stranger):
        store.keep(each)
    store.remove(job)
    left = [stranger] if vanish else [export, stranger]
    assert list(store) == left == kept.load()
    assert store.holds(stranger)
    assert not store.holds(job)


def test_a_parent_takes_only_what_it_owns_along() -> None:
    store = Store()
    dataset = add(store)
    model = add(store, MODEL, trainingDatasetArn=dataset.arn)
    assert list(store.children(dataset)) == [model]
    store.remove(dataset)
    assert list(store) == [model]


def test_both_views_of_a_job_go_and_the_exports_of_either() -> None:
    store = Store(kept := Kept())
    job, view = add(store, GENERATION), add(store, GENERATION, OTHER)
    job.twin, view.twin = view, job
    for account, arn in ((ACCOUNT, job.arn), (OTHER, view.arn)):
        store.keep(add(store, EXPORT, account, audienceGenerationJobArn=arn))
    store.keep(view)
    assert set(kept.kept) >= {job.arn, view.arn}, "one view is kept with the other"
    store.remove(view)
    assert list(store) == kept.load() == []


def test_what_is_gone_is_not_kept_again() -> None:
    """A job that ends after its deletion writes nothing."""
    store = Store(kept := Kept())
    resource = add(store)
    store.remove(resource)
    store.keep(resource)
    assert kept.load() == []
    store.remove(resource)


def test_another_resource_under_the_same_arn_is_not_the_one_that_was() -> None:
    store = Store()
    first = store.add(DATASET, ACCOUNT, REGION, {"name": "n", "status": ACTIVE}, identity="same")
    second = store.add(DATASET, ACCOUNT, REGION, {"name": "n", "status": ACTIVE}, identity="same")
    assert first.arn == second.arn
    assert (store.holds(first), store.holds(second)) == (False, True)


def test_the_next_process_goes_on_where_this_one_was() -> None:
    kept = Kept()
    store = Store(kept)
    for _ in range(3):
        store.keep(add(store))
    add(store)
    after = Store(kept)
    assert [each.sequence for each in after] == [1, 2, 3], "what was never kept is gone"
    assert add(after).sequence == 4
    after.clear()
    assert list(after) == kept.load() == []
