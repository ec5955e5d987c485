"""THE table: an operation is a verb and a kind; route, parameters, constraints and answer come from the model."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from botocore.model import OperationModel

from sandbox.cleanroomsml import (
    documented_rules,
    provider,
    provider_create,
    provider_policies,
    provider_tags,
    validation,
)
from sandbox.cleanroomsml.accounts import Caller
from sandbox.cleanroomsml.context import Call, Context, Outcome, Verb
from sandbox.cleanroomsml.errors import NotBuilt, ValidationError
from sandbox.cleanroomsml.resources import CONFIGURED, DATASET, EXPORT, GENERATION, MODEL, Kind


@dataclass(frozen=True, slots=True)
class OperationRow:
    """What an operation does, and to which kind of resource."""

    verb: Verb
    kind: Kind | None = None


OPERATIONS: Final[Mapping[str, OperationRow]] = {
    "CreateTrainingDataset": OperationRow(provider_create.create, DATASET),
    "GetTrainingDataset": OperationRow(provider.get, DATASET),
    "ListTrainingDatasets": OperationRow(provider.list_all, DATASET),
    "DeleteTrainingDataset": OperationRow(provider.delete, DATASET),
    "CreateAudienceModel": OperationRow(provider_create.create, MODEL),
    "GetAudienceModel": OperationRow(provider.get, MODEL),
    "ListAudienceModels": OperationRow(provider.list_all, MODEL),
    "DeleteAudienceModel": OperationRow(provider.delete, MODEL),
    "CreateConfiguredAudienceModel": OperationRow(provider_create.create, CONFIGURED),
    "UpdateConfiguredAudienceModel": OperationRow(provider.update, CONFIGURED),
    "GetConfiguredAudienceModel": OperationRow(provider.get, CONFIGURED),
    "ListConfiguredAudienceModels": OperationRow(provider.list_all, CONFIGURED),
    "DeleteConfiguredAudienceModel": OperationRow(provider.delete, CONFIGURED),
    "PutConfiguredAudienceModelPolicy": OperationRow(provider_policies.put, CONFIGURED),
    "GetConfiguredAudienceModelPolicy": OperationRow(provider_policies.get, CONFIGURED),
    "DeleteConfiguredAudienceModelPolicy": OperationRow(provider_policies.delete, CONFIGURED),
    "StartAudienceGenerationJob": OperationRow(provider_create.create, GENERATION),
    "GetAudienceGenerationJob": OperationRow(provider.get, GENERATION),
    "ListAudienceGenerationJobs": OperationRow(provider.list_all, GENERATION),
    "DeleteAudienceGenerationJob": OperationRow(provider.delete, GENERATION),
    "StartAudienceExportJob": OperationRow(provider_create.create, EXPORT),
    "ListAudienceExportJobs": OperationRow(provider.list_all, EXPORT),
    "TagResource": OperationRow(provider_tags.add),
    "UntagResource": OperationRow(provider_tags.remove),
    "ListTagsForResource": OperationRow(provider_tags.show),
}


def perform(context: Context, operation: OperationModel, params: Mapping[str, Any], caller: Caller) -> Outcome:
    """Check a request against the model and the rules in words, then do it, at once and wholly.

    Raises:
        ApiError: The error for the caller instead of a result.
    """
    row = OPERATIONS.get(operation.name)
    if row is None:
        raise NotBuilt(f"{operation.name} is a custom-model operation; the sandbox performs the lookalike ones")
    problems = validation.check(operation.input_shape, params) if operation.input_shape else []
    problems = problems or documented_rules.check(params, context.options.assume)
    if problems:
        raise ValidationError.of(problems)
    outcome = row.verb(context, Call(operation, row.kind, params, caller.account, caller.region))
    if operation.http["method"] != "GET" and outcome.resource is not None:
        context.store.keep(outcome.resource)
    return outcome
