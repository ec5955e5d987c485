"""The verbs of tags. Export jobs have no ARN to the API, so they cannot be tagged."""

from sandbox.cleanroomsml.context import Call, Context, Outcome
from sandbox.cleanroomsml.documented_rules import tags as tag_rules
from sandbox.cleanroomsml.errors import ValidationError
from sandbox.cleanroomsml.resources import KINDS, Resource

_TAGGABLE = {name: kind for name, kind in KINDS.items() if not kind.owned}


def _resource(context: Context, call: Call) -> Resource:
    return context.store.get(call.params["resourceArn"], call.account, call.region, _TAGGABLE)


def add(context: Context, call: Call) -> Outcome:
    """Merge tags into the resource's own; the limit holds for the sum."""
    resource = _resource(context, call)
    merged = resource.attributes.get("tags", {}) | call.params["tags"]
    if problems := tag_rules({"tags": merged}, context.options.assume):
        raise ValidationError.of(problems)
    resource.attributes["tags"] = merged
    return Outcome(resource=resource)


def remove(context: Context, call: Call) -> Outcome:
    """Remove tags by key; keys that are not there do not matter."""
    resource = _resource(context, call)
    kept = {k: v for k, v in resource.attributes.get("tags", {}).items() if k not in call.params["tagKeys"]}
    resource.attributes["tags"] = kept
    return Outcome(resource=resource)


def show(context: Context, call: Call) -> Outcome:
    """Return the tags."""
    resource = _resource(context, call)
    return Outcome({"tags": resource.attributes.get("tags", {})}, resource)
