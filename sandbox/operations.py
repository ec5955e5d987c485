"""THE table: an operation is a verb and a kind; route, parameters, constraints and answer come from the model."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from botocore.model import OperationModel

from sandbox import creation, policies, rules, tagging, validation, verbs
from sandbox.desk import Call, Desk, Outcome, Verb
from sandbox.errors import NotBuilt, ValidationError
from sandbox.identity import Caller
from sandbox.resources import CONFIGURED, DATASET, EXPORT, GENERATION, MODEL, Kind


@dataclass(frozen=True, slots=True)
class Row:
    """What an operation does, and to which kind of resource."""

    verb: Verb
    kind: Kind | None = None


OPERATIONS: Final[Mapping[str, Row]] = {
    "CreateTrainingDataset": Row(creation.create, DATASET),
    "GetTrainingDataset": Row(verbs.get, DATASET),
    "ListTrainingDatasets": Row(verbs.list_all, DATASET),
    "DeleteTrainingDataset": Row(verbs.delete, DATASET),
    "CreateAudienceModel": Row(creation.create, MODEL),
    "GetAudienceModel": Row(verbs.get, MODEL),
    "ListAudienceModels": Row(verbs.list_all, MODEL),
    "DeleteAudienceModel": Row(verbs.delete, MODEL),
    "CreateConfiguredAudienceModel": Row(creation.create, CONFIGURED),
    "UpdateConfiguredAudienceModel": Row(verbs.update, CONFIGURED),
    "GetConfiguredAudienceModel": Row(verbs.get, CONFIGURED),
    "ListConfiguredAudienceModels": Row(verbs.list_all, CONFIGURED),
    "DeleteConfiguredAudienceModel": Row(verbs.delete, CONFIGURED),
    "PutConfiguredAudienceModelPolicy": Row(policies.put, CONFIGURED),
    "GetConfiguredAudienceModelPolicy": Row(policies.get, CONFIGURED),
    "DeleteConfiguredAudienceModelPolicy": Row(policies.delete, CONFIGURED),
    "StartAudienceGenerationJob": Row(creation.create, GENERATION),
    "GetAudienceGenerationJob": Row(verbs.get, GENERATION),
    "ListAudienceGenerationJobs": Row(verbs.list_all, GENERATION),
    "DeleteAudienceGenerationJob": Row(verbs.delete, GENERATION),
    "StartAudienceExportJob": Row(creation.create, EXPORT),
    "ListAudienceExportJobs": Row(verbs.list_all, EXPORT),
    "TagResource": Row(tagging.add),
    "UntagResource": Row(tagging.remove),
    "ListTagsForResource": Row(tagging.show),
}


def perform(desk: Desk, operation: OperationModel, params: Mapping[str, Any], caller: Caller) -> Outcome:
    """Check a request against the model and the rules in words, then do it, at once and wholly.

    Raises:
        ApiError: What the caller is to be told instead of a result.
    """
    row = OPERATIONS.get(operation.name)
    if row is None:
        raise NotBuilt(f"{operation.name} is a custom-model operation; the sandbox performs the lookalike ones")
    problems = validation.check(operation.input_shape, params) if operation.input_shape else []
    problems = problems or rules.check(params, desk.options.assume)
    if problems:
        raise ValidationError.of(problems)
    outcome = row.verb(desk, Call(operation, row.kind, params, caller.account, caller.region))
    if operation.http["method"] != "GET" and outcome.resource is not None:
        desk.store.keep(outcome.resource)
    return outcome
