"""Settings of polling: intervals by kind, completed by the defaults."""

import pytest
from pydantic import ValidationError

from service.settings.polling import DEFAULT_PACES, Polling
from tests.unit.service.settings.test_model import settings


def test_a_pace_is_completed_by_the_one_of_its_kind() -> None:
    kinds = Polling.model_validate({"kinds": {"audience_export_job": {"first": 1}}}).kinds
    assert kinds["audience-export-job"] == DEFAULT_PACES["audience-export-job"].model_copy(update={"first": 1.0})
    assert kinds["audience-model"] == DEFAULT_PACES["audience-model"]


def test_a_kind_that_has_no_pace_yet_may_get_one() -> None:
    assert Polling.model_validate({"kinds": {"training-dataset": {"first": 7}}}).kinds["training-dataset"].first == 7


def test_an_unknown_kind_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ValidationError, match="unknown: moon; known: audience-export-job"):
        Polling.model_validate({"kinds": {"moon": {"first": 1}}})


def test_paces_are_completed() -> None:
    kinds = settings(CRML_POLLING__KINDS__AUDIENCE_MODEL__FIRST="1").polling.kinds
    assert kinds["audience-model"].first == 1
    assert kinds["audience-model"].later == DEFAULT_PACES["audience-model"].later
    assert set(kinds) == set(DEFAULT_PACES)
