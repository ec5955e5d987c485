"""Generation jobs across accounts: A starts on B's configured model, one execution, one view in each account."""

from collections.abc import Mapping
from typing import Final

from sandbox.cleanroomsml.assumptions import Assumptions
from sandbox.cleanroomsml.context import Call, Context
from sandbox.cleanroomsml.errors import AccessDenied, NotFound
from sandbox.cleanroomsml.policy_language import Request, allows
from sandbox.cleanroomsml.resources import GENERATION, Resource
from sandbox.cleanroomsml.store import Store

_ACTION: Final = "cleanrooms-ml:StartAudienceGenerationJob"


def foreign_model(context: Context, arn: str, call: Call) -> Resource:
    """Return another account's configured model, if its policy lets the caller start a job on it.

    By default, a model that does not exist and one that is closed to the caller give the same answer.
    """
    configured = context.store.find(arn)
    if configured is None and context.options.assume.foreign_model == "missing":
        raise NotFound(f"Resource {arn} does not exist")
    usable = configured is not None and configured.kind.identity in call.params and configured.region == call.region
    if not usable or configured is None or not allows(configured.policy, _request(arn, call)):
        raise AccessDenied(f"Account {call.account} is not authorized to perform {_ACTION} on {arn}")
    return configured


def _request(arn: str, call: Call) -> Request:
    """What a policy's conditions can be compared with."""
    keys = {"aws:principalaccount": call.account, "aws:requestedregion": call.region}
    if "collaborationId" in call.params:
        keys["cleanrooms-ml:collaborationid"] = call.params["collaborationId"]
    return Request(call.account, _ACTION, arn, keys)


def mirror(store: Store, job: Resource, configured: Resource, tags: Mapping[str, str]) -> None:
    """Add the view of a job in the configured model's account: its own ARN and name, and the parent's tags only."""
    attributes = {**job.attributes, "name": f"{job.account}-{job.name}", "tags": dict(tags)}
    view = store.add(
        GENERATION,
        configured.account,
        job.region,
        attributes,
        identity=job.identity,
        origin=job.origin,
        twin=job,
        lead=False,
    )
    job.twin = view


def hidden(job: Resource, assume: Assumptions) -> frozenset[str]:
    """Return the members of a generation job that its viewer must not see.

    The seed is for the account that started the job; its metrics too are kept from that account when the configured
    model shares none. `assume` may say otherwise.
    """
    members, starter = set(), job.attributes.get("startedBy") == job.account
    if starter == (assume.seed_hidden_from == "starter"):
        members.add("seedAudience")
    if starter and job.origin.get("sharedAudienceMetrics") == ["NONE"] and assume.metrics_hidden_from == "starter":
        members.add("metrics")
    return frozenset(members)
