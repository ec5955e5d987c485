"""What AWS does not document and the sandbox therefore assumes: a switch each, with its default and its reason.

`docs/sandbox/assumptions.md` is rendered from this table.
"""

# ruff: noqa: RUF009 - `_switch` makes a field

from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal

UniqueNames = Literal["documented", "all", "none"]
Unknown = Literal["refused", "ignored"]
SchemaColumns = Literal["exact", "free"]
Percentages = Literal["text", "model"]
Window = Literal["ordered", "free"]
ExportSize = Literal["configured", "any"]
SeedSources = Literal["one", "free"]
Collaboration = Literal["required", "optional"]
ErrorKind = Literal["validation", "conflict"]
Repeated = Literal["conflict", "accepted"]
InUse = Literal["jobs", "running", "never"]
Exports = Literal["vanish", "stay"]
Party = Literal["other", "starter"]
Metrics = Literal["starter", "nobody"]
Missing = Literal["denied", "missing"]
Order = Literal["oldest", "newest"]
Range = Literal["0..1", "-1..1", "0..10"]
Layout = Literal["jsonl", "csv"]


def _switch(default: Any, what: str, **choices: str) -> Any:
    """A field with its explanation; choices are described by their value, `_` for characters that a name can't have."""
    return field(default=default, metadata={"help": what, "choices": choices})


@dataclass(frozen=True, slots=True)
class Assumptions:
    """One way of reading the documentation where it says nothing."""

    unique_names: UniqueNames = _switch(
        "documented",
        "Which kinds refuse a second resource of the same name in an account and Region, with ConflictException.",
        documented="training datasets and generation jobs, of which AWS says that names are unique",
        all="every kind",
        none="no kind",
    )
    unknown_members: Unknown = _switch(
        "refused",
        "What happens to a member of the body that the API model does not know.",
        refused="ValidationException that names it, so that a misspelt member does not pass silently",
        ignored="it is skipped",
    )
    unknown_query: Unknown = _switch(
        "ignored",
        "What happens to a query parameter that the API model does not know, but for those of signatures (`X-Amz-`).",
        ignored="it is skipped: SDKs and proxies add their own",
        refused="ValidationException that names it",
    )
    default_bins: tuple[int, ...] = _switch(
        (1, 2, 5, 10, 20),
        "Percentages that a configured model gets without audienceSizeConfig; each is an option of its own "
        "(`--default-bins 5 --default-bins 50`).",
    )
    percentages: Percentages = _switch(
        "text",
        "Which percentages an audience size may have; the text of the API and its model differ.",
        text="1 to 100, as the text says, else ValidationException",
        model="all that the model allows; 100 and more are everybody",
    )
    schema_columns: SchemaColumns = _switch(
        "exact",
        "Which columns the schema of a training dataset needs.",
        exact="one USER_ID, one ITEM_ID and one TIMESTAMP column, else ValidationException",
        free="any; a training that lacks one fails with TRAINING_DATA_READ_FAILED",
    )
    training_window: Window = _switch(
        "ordered",
        "Whether trainingDataStartTime must be before trainingDataEndTime.",
        ordered="yes, else ValidationException",
        free="no; a training without records fails with INSUFFICIENT_TRAINING_DATA",
    )
    seed_sources: SeedSources = _switch(
        "one",
        "Whether a generation job must have exactly one of dataSource and sqlParameters.",
        one="yes, else ValidationException",
        free="no: SQL wins over dataSource, and a job with neither fails with SEED_READ_FAILED",
    )
    sql_collaboration: Collaboration = _switch(
        "required",
        "Whether a seed given as SQL needs a collaborationId.",
        required="yes, else ValidationException",
        optional="no",
    )
    inactive_parent: ErrorKind = _switch(
        "validation",
        "The error when something is made from a resource that is not ACTIVE.",
        validation="ValidationException",
        conflict="ConflictException",
    )
    policy_condition: ErrorKind = _switch(
        "validation",
        "The error when previousPolicyHash or policyExistenceCondition does not hold; no Conflict is modelled there.",
        validation="ValidationException",
        conflict="ConflictException",
    )
    delete_unfinished: Repeated = _switch(
        "conflict",
        "What a delete does to a model or job in CREATE_PENDING or CREATE_IN_PROGRESS.",
        conflict="ConflictException",
        accepted="its work ends unused, then it is deleted",
    )
    repeated_delete: Repeated = _switch(
        "conflict",
        "What a delete does to a model or job in DELETE_PENDING or DELETE_IN_PROGRESS.",
        conflict="ConflictException",
        accepted="nothing, with success",
    )
    configured_in_use: InUse = _switch(
        "jobs",
        "What keeps a configured model from being deleted, with ConflictException.",
        jobs="every generation job of it that is not deleted",
        running="generation jobs that are pending or in progress",
        never="nothing",
    )
    exports_of_deleted_jobs: Exports = _switch(
        "vanish",
        "What becomes of the export jobs of a deleted generation job.",
        vanish="they are listed no longer; the exported files stay",
        stay="they stay listed",
    )
    export_size: ExportSize = _switch(
        "configured",
        "Which sizes an export may have; the reference puts the rule on an operation that has no such member.",
        configured="one that the configured model had when the generation job was started, else ValidationException",
        any="any",
    )
    seed_hidden_from: Party = _switch(
        "other",
        "Which account of a cross-account job does not see seedAudience.",
        other="the one that did not start the job, as the user guide says",
        starter="the one that did, as the API reference says",
    )
    metrics_hidden_from: Metrics = _switch(
        "starter",
        "Who does not see the metrics of a job on a configured model with sharedAudienceMetrics NONE.",
        starter="the account that started the job",
        nobody="everybody sees them",
    )
    foreign_model: Missing = _switch(
        "denied",
        "The error for a configured model of another account that does not exist.",
        denied="AccessDeniedException, as for one that is closed to the caller",
        missing="ResourceNotFoundException",
    )
    page_size: int = _switch(100, "Resources on a page when maxResults is left out.")
    list_order: Order = _switch(
        "oldest",
        "Which resources are listed first.",
        oldest="the oldest",
        newest="the newest",
    )
    list_lag: float = _switch(0.0, "Seconds for which Lists don't show a new resource.")
    relevance_range: Range = _switch(
        "0..1",
        "The range of relevance scores; the API says 0 to 10, the user guide -1 to 1.",
        **{"0..1": "what the lookalike model computes", "-1..1": "stretched", "0..10": "stretched"},
    )
    output_format: Layout = _switch(
        "jsonl",
        "The file of an exported audience, best user first, under `<s3Uri>/<export id>/`.",
        jsonl='`part-00000.jsonl` with `{"user_id": ...}` lines, the form of seeds',
        csv="`part-00000.csv` with a `user_id` header",
    )
    reads_per_second: float = _switch(
        0.0, "Get and List requests per account and Region and second before ThrottlingException; 0: no limit."
    )
    writes_per_second: float = _switch(
        0.0, "All other requests per account and Region and second before ThrottlingException; 0: no limit."
    )


_HEAD: Final = """\
# Assumptions of the sandbox

AWS does not say everything. Where it is silent, the sandbox assumes; each assumption is a switch of
`python -m sandbox serve`, so that a client can be tested against both readings. Rendered by `make render` from
`sandbox/cleanroomsml/assumptions.py`.

| option | default | what it decides | values |
|---|---|---|---|
"""

_FIXED: Final = (
    (
        "Status codes of failed jobs",
        "`INSUFFICIENT_TRAINING_DATA`, `INSUFFICIENT_MATCHING_SEED`, `TRAINING_DATA_READ_FAILED`, `SEED_READ_FAILED`, "
        "`OUTPUT_WRITE_FAILED`, `INTERNAL_ERROR`",
        "AWS promises stable codes and publishes none",
    ),
    (
        "Transitions between statuses",
        "`CREATE_PENDING`, `CREATE_IN_PROGRESS`, then `ACTIVE` or `CREATE_FAILED`; `DELETE_PENDING`, "
        "`DELETE_IN_PROGRESS`, then gone or `DELETE_FAILED`, after which it can be deleted again",
        "the API has the names, not the order",
    ),
    ("A policy's hash", "SHA-256 of its text, in hexadecimal", "the API only gives a length and an alphabet"),
    ("Columns of a schema", "their names differ, and not only in case", "those of a Glue table do"),
    ("Wording of errors", "ours; names, codes and HTTP statuses are the API model's", "AWS publishes no texts"),
    (
        "Resource policies",
        "Principal, Action, Resource and their Not forms; the String operators and `Null` on "
        "`cleanrooms-ml:CollaborationId`, `aws:PrincipalAccount` and `aws:RequestedRegion`. No other condition can be "
        "evaluated: an Allow with one does not allow, a Deny with one refuses, and so does a Deny of a federated or "
        "canonical user. What IAM's grammar does not have is refused at the Put: an Allow with NotPrincipal, an action "
        "without its service, a value that its operator can't have, a missing element",
        "a policy must fail closed",
    ),
    (
        "Requests to Glue, S3, IAM and STS that are malformed",
        "400 in the words of the service; Glue's are checked for types, lengths and required members",
        "moto breaks on them",
    ),
    (
        "How files are read",
        "as Athena and the SerDes document it ([formats](formats.md))",
        "the user guide of Clean Rooms says which formats and types, not which reader",
    ),
    (
        "A record without an id or a time",
        "null, or an empty `USER_ID` or `ITEM_ID`, fails the training",
        "it belongs to no user or item; leaving it out would hide that the data are read wrongly",
    ),
    (
        "Empty lines of text files",
        "skipped",
        "Hive makes rows of nulls of them, which would fail the training",
    ),
    (
        "A table with partition keys, but without partitions in Glue",
        "its partitions are those in the keys of its objects (`name=value`)",
        "Athena would read nothing until they are registered; training on nothing is of no use",
    ),
    (
        "The users of an SQL seed",
        "the column `user_id`, in any case, or the only column; strings or integers; at most as many as in a seed file",
        "AWS says nothing of it",
    ),
    (
        "Names of databases and tables in Glue",
        "kept in lower case, whatever the request writes",
        "Glue folds them for Hive compatibility; moto does not",
    ),
    (
        "Collaborations, IAM policies, trust, KMS keys",
        "only their form is checked, and that a role is not another account's",
        "there is no Clean Rooms, IAM evaluation or KMS behind the port",
    ),
)
"""What is assumed without a switch: what, how, why."""


def reference() -> str:
    """Render the documentation page."""
    fixed = "".join(f"| {what} | {how} | {why} |\n" for what, how, why in _FIXED)
    table = "\n## Assumed, without a switch\n\n| what | how it is here | why |\n|---|---|---|\n"
    return _HEAD + "".join(_row(each) for each in fields(Assumptions)) + table + fixed


def _row(each: Any) -> str:
    default = " ".join(map(str, each.default)) if isinstance(each.default, tuple) else each.default
    choices = "; ".join(f"`{name}`: {text}" for name, text in each.metadata["choices"].items())
    return f"| `--{each.name.replace('_', '-')}` | `{default}` | {each.metadata['help']} | {choices or 'a number'} |\n"
