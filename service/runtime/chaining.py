"""How the commands stand that one waits for, and its request with what they have made."""

from collections.abc import Callable

from schemas import chains as requests
from schemas import commands
from schemas.commands import TopicRules
from schemas.records import Job, job_key
from service.core import chains
from service.core.job import request_of
from service.core.observations import FilledRequest, Predecessors
from service.runtime.store import Store


def predecessors(job: Job, find: Callable[[str], Job | None], rules: TopicRules, wall: float) -> Predecessors:
    """What a waiting command observes of its predecessors.

    Args:
        job: The command.
        find: Gives the job of an id, of the same source.
        rules: What a command may ask for on its topic.
        wall: The wall clock, by which its publisher has named a start time.
    """
    jobs = {name: find(name) for name in chains.open_ids(job)}
    references = tuple(requests.references(job.command.asked, request_of(job.command)))
    made = chains.complete(job, jobs)
    filled = _filled(job, made, rules) if made is not None else None
    return Predecessors(jobs, references, filled, early=job.command.not_before > wall)


def _filled(job: Job, made: dict[str, str], rules: TopicRules) -> FilledRequest:
    """The request with what its predecessors have made, judged as a new one is."""
    operation, sent = job.command.asked, request_of(job.command)
    request = requests.filled(operation, sent, made)
    found = list(commands.judge(operation, request, job.command.target, rules))
    violations = commands.within_limits(tuple(violation for _, violation in found))
    return FilledRequest(
        request,
        requests.named(operation, sent, made),
        commands.common_code(found) if found else "",
        tuple({"path": each.path, "rule": each.rule, "message": each.message} for each in violations),
    )


def finder(job: Job, store: Store) -> Callable[[str], Job | None]:
    """Finds other commands of a command's source in its partition."""
    return lambda name: store.job(job_key(job.command.source, name))
