"""Sessions of an assumed role: AWS's rules for their names and tags, checked when the settings are loaded."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import BeforeValidator, Field

if TYPE_CHECKING:
    from service.settings.aws import Target

SessionName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_+=,.@-]{2,64}$")]
"""Name of a session, or a source identity."""

TagKey = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:/=+@ -]{1,128}$")]
"""Key of a session tag. AWS permits letters of all alphabets; policies are easier to read with these."""

_TagValue = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:/=+@ -]{0,256}$")]

_MOST_TAGS: Final = 50


def pairs(value: Any) -> Any:
    """Tags may be given in the environment as ``key=value``, separated by commas."""
    if not isinstance(value, str):
        return value
    found: dict[str, str] = {}
    for item in filter(None, (item.strip() for item in value.split(","))):
        key, equals, text = item.partition("=")
        if not equals:
            raise ValueError(f"{item!r} has no '='; expected key=value, separated by commas")
        if key.strip() in found:
            raise ValueError(f"{key.strip()} is given twice")
        found[key.strip()] = text.strip()
    return found


Tags = Annotated[dict[TagKey, _TagValue], BeforeValidator(pairs)]
"""Tags of a session."""

NO_TAGS: Final[dict[str, str]] = {}


def problems(target: "Target") -> Iterator[str]:
    """Yields the combinations that AWS would reject."""
    if not target.role_arn:
        for name in ("external_id", "source_identity", "session_tags", "tenant_tag", "command_tag"):
            if getattr(target, name):
                yield f"{name} is of no use without role_arn"
    if not target.session_per_command:
        for name in ("tenant_tag", "command_tag"):
            if getattr(target, name):
                yield f"{name} needs session_per_command: a shared session serves many commands"
    yield from _tag_problems(target)


def _tag_problems(target: "Target") -> Iterator[str]:
    keys = [*target.session_tags, *filter(None, (target.tenant_tag, target.command_tag))]
    folded = [key.lower() for key in keys]
    twice = sorted({key for key in keys if folded.count(key.lower()) > 1})
    if twice:
        yield f"session tags are not case-sensitive; used twice: {', '.join(twice)}"
    reserved = sorted(key for key in keys if key.lower().startswith("aws:"))
    if reserved:
        yield f"session tags must not begin with aws:, found {', '.join(reserved)}"
    if len(keys) > _MOST_TAGS:
        yield f"a session has at most {_MOST_TAGS} tags, found {len(keys)}"
    unknown = sorted(set(target.transitive_tags) - set(keys))
    if unknown:
        yield f"transitive_tags has {', '.join(unknown)}, which is no session tag; known: {', '.join(keys) or 'none'}"
