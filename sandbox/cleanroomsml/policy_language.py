"""Resource policies: what is wrong with one, and whether it lets an account act.

An element of a statement holds, does not hold, or cannot be evaluated: a condition on a key which the sandbox does not
know, say, or one that is missing. A policy fails closed: an Allow counts only if every element holds, a Deny unless one
does not hold.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

Verdict = bool | None
"""Whether an element holds; None: it cannot be evaluated."""

_PAIRS: Final = (("Principal", "NotPrincipal"), ("Action", "NotAction"), ("Resource", "NotResource"))
_ELEMENTS: Final = frozenset({"Sid", "Effect", "Condition"} | {name for pair in _PAIRS for name in pair})


def _like(found: str, pattern: str) -> bool:
    """Compare with IAM's wildcards: `*` for any characters, `?` for one.

    Only the last `*` is tried again, so the time is at most the product of both lengths, whatever the pattern.
    """
    at = index = 0
    star, resume = -1, 0
    while at < len(found):
        if index < len(pattern) and pattern[index] == "*":
            star, resume = index, at
            index += 1
        elif index < len(pattern) and pattern[index] in ("?", found[at]):
            index, at = index + 1, at + 1
        elif star >= 0:
            resume += 1
            index, at = star + 1, resume
        else:
            return False
    return not pattern[index:].strip("*")


_COMPARED: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "StringEquals": lambda found, wanted: found == wanted,
    "StringEqualsIgnoreCase": lambda found, wanted: found.lower() == wanted.lower(),
    "StringLike": _like,
}
_NEGATED: Final = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
}
_NUMBERS: Final = ("Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals")
_OPERATORS: Final = frozenset(
    {
        *_COMPARED,
        *_NEGATED,
        *(kind + test for kind in ("Numeric", "Date") for test in _NUMBERS),
        *("Bool", "BinaryEquals", "IpAddress", "NotIpAddress", "Null"),
        *("ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"),
    }
)
_OPERATOR: Final = re.compile(r"(?:ForAllValues:|ForAnyValue:)?([A-Za-z]+?)(IfExists)?")


@dataclass(frozen=True, slots=True)
class Request:
    """What a policy is asked.

    Attributes:
        account: who wants to act.
        action: the requested action, as `service:Operation`.
        resource: ARN of what it is done to.
        keys: condition keys that are known, in lower case, and their values.
    """

    account: str
    action: str
    resource: str
    keys: Mapping[str, str]


def allows(policy: str | None, request: Request) -> bool:
    """Whether a policy has an Allow that holds and no Deny that might."""
    if policy is None:
        return False
    statements = [each for each in _many(_parsed(policy).get("Statement")) if isinstance(each, dict)]
    verdicts = [(each.get("Effect"), _holds(each, request)) for each in statements]
    if any(effect != "Allow" and verdict is not False for effect, verdict in verdicts):
        return False
    return any(effect == "Allow" and verdict is True for effect, verdict in verdicts)


def problems(policy: str) -> list[str]:
    """Describe what is wrong with a policy; empty if it can be evaluated, or refuses where it cannot."""
    try:
        document = _parsed(policy)
    except (ValueError, RecursionError):
        return ["Member must be a valid JSON document"]
    if not isinstance(document, dict):
        return ["Member must be a JSON object"]
    statements = _many(document.get("Statement"))
    return [
        *_malformed_document(document, statements),
        *(
            f"Statement {number}: {problem}"
            for number, each in enumerate(statements, 1)
            for problem in _malformed(each)
        ),
    ]


def _malformed_document(document: Mapping[str, Any], statements: list[Any]) -> list[str]:
    found = [f"{name[:80]} is not an element of a policy" for name in sorted(document.keys() - _OF_POLICIES)]
    if document.get("Version", _VERSIONS[0]) not in _VERSIONS:
        found.append(f"Version must be {' or '.join(_VERSIONS)}")
    if not isinstance(document.get("Id", ""), str):
        found.append("Id must be a string")
    if document.get("Statement") is None:
        found.append("Statement is missing")
    names = [each["Sid"] for each in statements if isinstance(each, dict) and isinstance(each.get("Sid"), str)]
    if len(set(names)) != len(names):
        found.append("Statement: a Sid occurs twice")
    return found


def _parsed(policy: str) -> Any:
    """A policy's document; a name that occurs twice would hide a statement or an effect, so it is no document.

    Raises:
        ValueError: It is no JSON, or has a name twice in an object, or a number that only some readers take.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a name occurs twice in an object")
        return found

    def finite(text: str) -> float:
        if math.isinf(number := float(text)) or math.isnan(number):
            raise ValueError("a number is none of JSON, or beyond a double")
        return number

    return json.loads(policy, object_pairs_hook=unique, parse_constant=finite, parse_float=finite)


def _malformed(statement: Any) -> list[str]:
    if not isinstance(statement, dict):
        return ["must be a JSON object"]
    found = [f"{name} is not an element of a statement" for name in sorted(statement.keys() - _ELEMENTS)]
    if statement.get("Effect") not in ("Allow", "Deny"):
        found.append("Effect must be Allow or Deny")
    if statement.get("Effect") == "Allow" and "NotPrincipal" in statement:
        found.append("NotPrincipal must not stand beside an Allow: it would let in everybody else")
    if not (isinstance(sid := statement.get("Sid", ""), str) and _SID.fullmatch(sid)):
        found.append("Sid must consist of letters and digits")
    found += [
        f"must have {plain} or {negated}"
        for plain, negated in _PAIRS
        if plain not in statement and negated not in statement
    ]
    found += [
        f"must not have both {plain} and {negated}"
        for plain, negated in _PAIRS
        if plain in statement and negated in statement
    ]
    found += [
        f"{name} must be a string or a list of strings"
        for name in ("Action", "NotAction", "Resource", "NotResource")
        if name in statement and not _strings(statement[name])
    ]
    found += [
        f"{name} must be {wanted}"
        for name, wanted, form in _FORMS
        if _strings(statement.get(name)) and not all(form.fullmatch(each) for each in _many(statement[name]))
    ]
    found += [
        f'{name} must be "*" or an object of accounts, ARNs of identities, or services'
        for name in ("Principal", "NotPrincipal")
        if name in statement and not _is_principal(statement[name])
    ]
    return found + _malformed_condition(statement.get("Condition", {}))


_OF_POLICIES: Final = frozenset({"Version", "Id", "Statement"})
_VERSIONS: Final = ("2012-10-17", "2008-10-17")
_SID: Final = re.compile(r"[A-Za-z0-9]*")
_ACTIONS: Final = (
    '"*" or a service and an operation, such as cleanrooms-ml:Get*',
    re.compile(r"\*|[A-Za-z0-9*?-]+:[A-Za-z0-9_*?-]+"),
)
_RESOURCES: Final = ('"*" or ARNs', re.compile(r"\*|arn:.+", re.DOTALL))
_FORMS: Final = (
    *((name, *_ACTIONS) for name in ("Action", "NotAction")),
    *((name, *_RESOURCES) for name in ("Resource", "NotResource")),
)


def _is_principal(value: Any) -> bool:
    if not isinstance(value, dict):
        return bool(value == "*")
    known = bool(value) and value.keys() <= _PRINCIPALS and all(map(_strings, value.values()))
    return known and all(_NAME.fullmatch(name) for name in _many(value.get("AWS", [])))


_PRINCIPALS: Final = frozenset({"AWS", "Service", "Federated", "CanonicalUser"})
_NAME: Final = re.compile(
    r"\*|[0-9]{12}|arn:aws[-a-z]*:(iam|sts)::[0-9]{12}:(root|(user|role|assumed-role|federated-user)/[^*?]+)"
)
"""Accounts and identities that a policy may name; not parts of ARNs, and no unique ids of what was deleted."""


def _malformed_condition(condition: Any) -> list[str]:
    if not isinstance(condition, dict):
        return ["Condition must be a JSON object"]
    found = []
    for operator, tests in condition.items():
        name = _operator(operator)
        if name is None:
            found.append(f"Condition: {operator[:80]} is not an operator")
        if not isinstance(tests, dict) or not tests:
            found.append("Condition: an operator must have a JSON object of keys and values")
        elif not all(_values(each) for each in tests.values()):
            found.append("Condition: a value must be a string, number or Boolean, or a list of them that is not empty")
        else:
            found += [f"Condition: {key[:80]!r} is not a key" for key in tests if not _KEY.fullmatch(key)]
            found += [f"Condition: {operator[:80]} of {key[:80]} {why}" for key, why in _misformed(name or "", tests)]
    return found


def _operator(text: str) -> str | None:
    """The operator without its set and `IfExists`, which `Null` does not take; None if it is none."""
    parts = _OPERATOR.fullmatch(text)
    if parts is None or parts[1] not in _OPERATORS or (parts[1] == "Null" and text != "Null"):
        return None
    return parts[1]


def _misformed(operator: str, tests: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Values that an operator can't be given; policy variables are not evaluated."""
    kind = next((kind for kind in _VALUES if operator.startswith(kind) or operator == f"Not{kind}"), None)
    if kind is None:
        return
    words, form = _VALUES[kind]
    for key, values in tests.items():
        if not all("${" in text or form(text) for text in map(_text, _many(values))):
            yield key, f"must have {words}"


def _reads(read: Callable[[str], object]) -> Callable[[str], bool]:
    def form(text: str) -> bool:
        try:
            read(text)
        except ValueError:
            return False
        return True

    return form


def _is_date(text: str) -> bool:
    """W3C's form of ISO 8601 (a year, a month, a day or a time with its zone), or seconds since 1970."""
    if re.fullmatch(r"[0-9]{4}(-(0[1-9]|1[0-2]))?", text) or re.fullmatch(r"[0-9]{1,12}", text):
        return True
    timed = re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9:.]+(Z|[+-][0-9]{2}:[0-9]{2}))?", text)
    return timed is not None and _reads(datetime.fromisoformat)(text)


_KEY: Final = re.compile(r"[A-Za-z0-9-]+:\S+")
_TRUTH: Final = ("true or false", lambda text: text.lower() in {"true", "false"})
_VALUES: Final[Mapping[str, tuple[str, Callable[[str], bool]]]] = {
    "Numeric": ("numbers", lambda text: re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?", text) is not None),
    "Date": ("dates of ISO 8601 or seconds since 1970", _is_date),
    "Bool": _TRUTH,
    "Null": _TRUTH,
    "IpAddress": ("addresses or ranges such as 203.0.113.0/24", _reads(lambda text: ipaddress.ip_network(text, False))),
    "Binary": ("Base64", _reads(lambda text: base64.b64decode(text, validate=True))),
}
"""What an operator's values must be, by how its name begins."""


def _text(value: Any) -> str:
    """A value as a policy means it: a Boolean and a number of JSON are as good as their text."""
    return json.dumps(value) if isinstance(value, bool) else str(value)


def _strings(value: Any) -> bool:
    return bool(_many(value)) and all(isinstance(each, str) for each in _many(value))


def _values(value: Any) -> bool:
    return bool(_many(value)) and all(isinstance(each, str | int | float) for each in _many(value))


def _holds(statement: Mapping[str, Any], request: Request) -> Verdict:
    tests: tuple[Callable[[Any], Verdict], ...] = (
        lambda value: _principal(value, request.account),
        lambda value: any(_like(request.action.lower(), str(each).lower()) for each in _many(value)),
        lambda value: _covers(value, request.resource),
    )
    elements = [_either(statement, pair, test) for pair, test in zip(_PAIRS, tests, strict=True)]
    return _all([*elements, _condition(statement.get("Condition", {}), request.keys)])


def _either(statement: Mapping[str, Any], pair: tuple[str, str], test: Callable[[Any], Verdict]) -> Verdict:
    """Whether an element holds, or its counterpart does not; None without either."""
    plain, negated = pair
    if plain in statement:
        return test(statement[plain])
    if negated == "NotPrincipal" and negated in statement and _names_identities(statement[negated]):
        return None  # whether the caller is one of them is not known, only its account is
    return _not(test(statement[negated])) if negated in statement else None


def _principal(principal: Any, account: str) -> Verdict:
    """Whether the account is meant; a user or role of it is not known, only its account is."""
    names = _many(principal.get("AWS")) if isinstance(principal, dict) else _many(principal)
    root = re.compile(rf"arn:aws[-a-z]*:iam::{account}:root")
    if any(name in {"*", account} or root.fullmatch(str(name)) for name in names):
        return True
    if isinstance(principal, dict) and principal.keys() & _UNKNOWN:
        return None
    return None if any(f"::{account}:" in str(name) for name in names) else False


_UNKNOWN: Final = frozenset({"Federated", "CanonicalUser"})
"""Principals that may be the caller: how a session began and the canonical id of an account are not known."""


def _names_identities(principal: Any) -> bool:
    names = principal.get("AWS") if isinstance(principal, dict) else principal
    return any(re.search(r":(user|role|assumed-role|federated-user)/", str(name)) for name in _many(names))


def _covers(patterns: Any, resource: str) -> Verdict:
    """Whether a resource is meant; a policy variable is not evaluated."""
    if any(_like(resource, str(each)) for each in _many(patterns)):
        return True
    return None if any("${" in str(each) for each in _many(patterns)) else False


def _condition(condition: Any, keys: Mapping[str, str]) -> Verdict:
    if not isinstance(condition, dict):
        return None
    verdicts = [
        _test(operator, keys.get(key.lower()), key.lower(), values)
        for operator, tests in condition.items()
        for key, values in (tests.items() if isinstance(tests, dict) else [("", None)])
    ]
    return _all(verdicts)


def _test(operator: str, found: str | None, key: str, values: Any) -> Verdict:
    """Compare one key; None if the operator or the key is not one that the sandbox evaluates."""
    parts = _OPERATOR.fullmatch(operator)
    wanted = [_text(each) for each in _many(values)]
    if parts is None or ":" in operator or key not in _KNOWN or any("${" in each for each in wanted):
        return None
    name, optional = parts[1], bool(parts[2])
    if name == "Null":
        wanted = [each.lower() for each in wanted]
        return (found is None) == (wanted == ["true"]) if wanted in (["true"], ["false"]) and not optional else None
    compare = _COMPARED.get(_NEGATED.get(name, name))
    if compare is None:
        return None
    if found is None:
        return optional or name in _NEGATED
    return any(compare(found, each) for each in wanted) != (name in _NEGATED)


_KNOWN: Final = frozenset({"cleanrooms-ml:collaborationid", "aws:principalaccount", "aws:requestedregion"})
"""Condition keys whose absence from a request means that it has none."""


def _all(verdicts: Iterable[Verdict]) -> Verdict:
    seen = set(verdicts)
    if False in seen:
        return False
    return None if None in seen else True


def _not(verdict: Verdict) -> Verdict:
    return None if verdict is None else not verdict


def _many(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
