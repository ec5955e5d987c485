"""What a tenant may ask for: total, pure and default-deny; one row per kind of value, wherever it occurs.

A Kafka record doesn't carry its authenticated sender, so a tenant is a commands topic: its Write ACL says who it is,
and the settings say what it may do. What isn't listed there is refused, with the setting that would allow it and what
this tenant is allowed; other tenants' resources are never shown. Rows name shapes, never an operation.

Independent of grants, an ARN must be of the target's partition, region and account, as far as they are known; only the
members that a resource's row calls ``foreign`` may name what a partner has shared.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any, Final

from botocore.model import StructureShape

from . import strictjson
from .documented_rules import ARNS
from .operations import COMMANDS, SERVICE_COMMANDS, Kind
from .references import kinds, referred
from .shapes import Violation, input_shape, render, walk

MAX_LISTED: Final = 50
_WILD: Final = {"*": ".*", "?": "."}
_TAGGABLE: Final = "TaggableArn"
_ROLE: Final = "IamRoleArn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What one tenant may use; everything that isn't listed is denied.

    Attributes:
        tenant: The tenant's name.
        open: True when no tenants are configured: one topic, whose Write ACL is the gate, may use what is configured.
        targets: Names of targets.
        operations: Globs for the names of commands.
        role_arns: Globs for roles that requests pass to AWS.
        s3_prefixes: Where requests may read and write: a bucket or a folder each, as ``s3://bucket/folder``.
        kms_keys: Globs for keys.
        reply_topics: Topics that a command may name for its replies.
        wildcard_principals: Whether a policy may let everybody in.
    """

    tenant: str = "default"
    open: bool = False
    targets: frozenset[str] = frozenset()
    operations: tuple[str, ...] = ()
    role_arns: tuple[str, ...] = ()
    s3_prefixes: tuple[str, ...] = ()
    kms_keys: tuple[str, ...] = ()
    reply_topics: frozenset[str] = frozenset()
    wildcard_principals: bool = False


@dataclass(frozen=True, slots=True)
class TargetFacts:
    """What is known of a target; what is empty is not compared.

    Attributes:
        account: 12 digits.
        region: Such as ``eu-west-1``.
        partition: Such as ``aws``.
    """

    account: str = ""
    region: str = ""
    partition: str = ""


@dataclass(frozen=True, slots=True)
class _Value:
    """A value of a request, and what it is judged by."""

    path: str
    shape: str
    text: str
    foreign: bool
    grant: Grant
    facts: TargetFacts


def open_grant(targets: Iterable[str], reply_topics: Iterable[str]) -> Grant:
    """The grant when no tenants are configured."""
    return Grant(
        open=True,
        targets=frozenset(targets),
        operations=("*",),
        role_arns=("*",),
        s3_prefixes=("s3://",),
        kms_keys=("*",),
        reply_topics=frozenset(reply_topics),
    )


def check(command: str, data: Any, target: TargetFacts, grant: Grant) -> Iterator[Violation]:
    """What a tenant isn't allowed of a command.

    Args:
        command: Name of a row: an operation or one of the service's own commands.
        data: The request's members; may be wrong in other ways, which other checks report.
        target: What is known of the target that the command names.
        grant: What the tenant may use.
    """
    if not matches(grant.operations, command):
        yield Violation("type", "tenant.operations", allowed(grant, "operations", grant.operations))
    for value in _values(command, data, target, grant):
        for rule in _RULES:
            if value.shape in rule.shapes:
                for name, message in rule.check(value):
                    yield Violation(value.path, name, message)


def target_fault(name: str, grant: Grant) -> tuple[str, str, str] | None:
    """Code, rule and message when the tenant has no such target; one that others have is as unknown as any."""
    if name in grant.targets:
        return None
    if grant.open:
        return "UnknownTarget", "enum", f"must be one of: {listed(grant.targets)}"
    return NOT_ALLOWED, "tenant.targets", allowed(grant, "targets", grant.targets)


def call_fault(operation: str, target: str, grant: Grant) -> tuple[str, str] | None:
    """Code and message when the tenant must not perform an operation at a target."""
    if not matches(grant.operations, operation):
        return NOT_ALLOWED, f"{operation}: {allowed(grant, 'operations', grant.operations)}"
    if target not in grant.targets:
        return NOT_ALLOWED, f"target {target}: {allowed(grant, 'targets', grant.targets)}"
    return None


def reply_topic_fault(name: str, grant: Grant) -> tuple[str, str, str] | None:
    """Code, rule and message when the tenant must not have its replies there."""
    if name in grant.reply_topics:
        return None
    if grant.open:
        message = f"must be one of: {listed(grant.reply_topics)}; leave it out for the default topic"
        return "ReplyTopicNotAllowed", "enum", message
    message = allowed(grant, "reply_topics", grant.reply_topics)
    return NOT_ALLOWED, "tenant.reply_topics", f"{message}; leave it out for the default topic"


NOT_ALLOWED: Final = "NotAllowed"
"""Code of a rejection for lack of permission."""


def allowed(grant: Grant, setting: str, names: Iterable[str]) -> str:
    """The message: what is allowed, and where that is configured."""
    return f"must be one of: {listed(names)}; setting tenants.{grant.tenant}.{setting}"


def listed(names: Iterable[str]) -> str:
    """Names in order, as many as a person can read."""
    shown = sorted(names)
    more = f" and {len(shown) - MAX_LISTED} more" if len(shown) > MAX_LISTED else ""
    return (", ".join(islice(shown, MAX_LISTED)) + more) or "(none is configured)"


def matches(globs: Iterable[str], text: str) -> bool:
    """True when a glob matches the whole text: ``*`` stands for any characters, ``?`` for one, as in IAM."""
    return any(_pattern(glob).fullmatch(text) for glob in globs)


@lru_cache(maxsize=4096)
def _pattern(glob: str) -> re.Pattern[str]:
    # A run of * is one, or it would backtrack.
    parts = (_WILD.get(part[:1], re.escape(part)) for part in re.split(r"(\?|\*+)", glob))
    return re.compile("".join(parts), re.DOTALL)


def within(prefixes: Iterable[str], uri: str) -> bool:
    """True when a URI is one of these prefixes or below it; ``s3://bucket/a`` has ``s3://bucket/a/b``, not ``/ab``."""
    return any(uri == prefix or uri.startswith(prefix if prefix.endswith("/") else f"{prefix}/") for prefix in prefixes)


def arn_faults(arn: str, target: TargetFacts) -> list[str]:
    """What is wrong with an ARN of something that the service itself has made at a target."""
    return [message for _, message in _of_target(_Value("", "", arn, False, Grant(), target))]


# --- values -----------------------------------------------------------------------------------------------------------


def _values(command: str, data: Any, facts: TargetFacts, grant: Grant) -> Iterator[_Value]:
    """Every text of a request, with the name of its shape; a reference is judged when it has been filled in."""
    row = COMMANDS[command]
    if row.kind is Kind.RESOLVE:
        return  # its ARN is of the target of the command that it resolves, which is not known here
    if command in SERVICE_COMMANDS:
        text = data.get(row.resource.identity) if isinstance(data, Mapping) else None
        if isinstance(text, str) and not referred(text):
            yield _Value(f"data.{row.resource.identity}", _TAGGABLE, text, False, grant, facts)
        return
    top: StructureShape = input_shape(command)
    for location, shape, value in walk(top, data):
        if isinstance(value, str) and shape.name in _JUDGED and not (referred(value) and kinds(shape)):
            foreign = location[-1] in row.resource.foreign
            yield _Value(render(top, location)[0], shape.name, value, foreign, grant, facts)


# --- checks -----------------------------------------------------------------------------------------------------------

_Found = Iterator[tuple[str, str]]


def _of_target(value: _Value) -> _Found:
    """Partition, region and account; a text that is no ARN is refused by the model's pattern."""
    parts = value.text.split(":", 5)
    if len(parts) != 6:
        return
    facts = value.facts
    if facts.partition and parts[1] != facts.partition:
        yield "target.partition", f"must be an ARN of the target's partition, {facts.partition}"
    if facts.region and parts[3] not in ("", facts.region):
        yield "target.region", f"must be an ARN of the target's region, {facts.region}"
    if facts.account and parts[4] != facts.account and not value.foreign:
        yield "target.account", f"must be an ARN of the target's account, {facts.account}"


def _role(value: _Value) -> _Found:
    if not matches(value.grant.role_arns, value.text):
        yield "tenant.role_arns", allowed(value.grant, "role_arns", value.grant.role_arns)


def _key(value: _Value) -> _Found:
    if not matches(value.grant.kms_keys, value.text):
        yield "tenant.kms_keys", allowed(value.grant, "kms_keys", value.grant.kms_keys)


def _s3_uri(value: _Value) -> _Found:
    if not within(value.grant.s3_prefixes, value.text):
        message = allowed(value.grant, "s3_prefixes", value.grant.s3_prefixes)
        yield "tenant.s3_prefixes", message.replace("be one of", "be in one of", 1)


def _policy(value: _Value) -> _Found:
    if value.grant.wildcard_principals:
        return
    try:
        policy = strictjson.loads(value.text.encode("utf-8"))
    except strictjson.JsonError:
        return  # reported by the rules
    if _lets_everybody_in(policy):
        setting = f"tenants.{value.grant.tenant}.wildcard_principals"
        yield "tenant.wildcard_principals", f"must name its principals, without a wildcard; setting {setting} allows it"


def _lets_everybody_in(policy: Any) -> bool:
    """True when a statement that does not deny has a wildcard for a principal, or names only who is kept out."""
    found = _lowered(policy).get("statement")
    statements = map(_lowered, found if isinstance(found, list) else [found])
    allowing = [one for one in statements if str(one.get("effect", "")).lower() != "deny"]
    return any("notprincipal" in one or _has_wildcard(one.get("principal")) for one in allowing)


def _lowered(item: Any) -> dict[str, Any]:
    """A policy's names count in any case, to be on the safe side."""
    return {name.lower(): value for name, value in item.items()} if isinstance(item, dict) else {}


def _has_wildcard(principal: Any) -> bool:
    if isinstance(principal, dict):
        return any(map(_has_wildcard, principal.values()))
    if isinstance(principal, list):
        return any(map(_has_wildcard, principal))
    return isinstance(principal, str) and "*" in principal


@dataclass(frozen=True, slots=True)
class _GrantCheck:
    """A check of every text of certain shapes."""

    check: Callable[[_Value], _Found]
    shapes: frozenset[str]


_RULES: Final = (
    _GrantCheck(_of_target, ARNS),
    _GrantCheck(_role, frozenset({_ROLE})),
    _GrantCheck(_key, frozenset({"KmsKeyArn"})),
    _GrantCheck(_s3_uri, frozenset({"S3Path"})),
    _GrantCheck(_policy, frozenset({"ResourcePolicy"})),
)
_JUDGED: Final = frozenset().union(*(rule.shapes for rule in _RULES))
