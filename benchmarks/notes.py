"""What the figures of a row mean, and for a goal that is missed: why, and what would reach it."""

from collections.abc import Mapping
from typing import Final

NOTES: Final[Mapping[str, str]] = {
    "calls": """\
In virtual time with jobs, pages and Gets as the service's own poller makes them, so these figures are the same on
every machine, and `make test` counts them too. A List shows a hundred jobs for the price of one Get.""",
    "replicas": """\
With `polling.shared` one replica lists for all. It is off by default ([ADR
0039](adr/0039-one-replica-lists-for-all.md)).""",
    "ends": """\
In virtual time, with a budget of one read a second. An event of an end carries what only a Get shows, so each end
takes a read of the budget away from the Lists: with *N* jobs, *R* reads and *e* ends a second the mean is *N* /
200 (*R* - *e*). Within 2 h that is the bound of the goal; within 1 h a quarter of the budget goes to ends, and
within half an hour more than half. **To reach 6 s there**: an event without the details that a List lacks, which
the contract excludes, or a larger budget ([ADR 0035](adr/0035-one-list-serves-all.md)).""",
    "following": """\
The peers do nothing but ask. The service also holds a consumer group's heartbeats (every 0.5 s), long polls of
commands, changes and standby copies (every 0.5 s each), and a producer for each partition.""",
    "memory": """\
Resident memory is what the process grew by, `allocated` what Python's allocator handed out for it, by
`tracemalloc`. Keys and records come as they would from Kafka.""",
    "pauses": """\
Milliseconds of CPU of the longest collection. The look through everything comes at a rebalance, when nothing is
served, at most every ten minutes ([ADR 0037](adr/0037-short-collections.md)).""",
    "restore": """\
The peer keeps nothing, so it is the least that a restore can take with this client and decoder.""",
    "flood": """\
An intent is a committed record that permits a call. They are counted in the changelog after the run.""",
    "gets": """\
Each command of the service is four records in two transactions: `accepted` and its intent, its end and the reply.
The peers write one record, remember nothing, and a crash makes them call twice or (FastStream, which acknowledges
first) never.""",
    "writes": """\
A creation of the service has been called once, is durable, and is followed from then on; the peers have forgotten
it.""",
    "latency": """\
Read with care: the publisher, Kafka, the stub and the service share two cores, so a delay includes waiting for a
core. The service's reply is `accepted`, the peer's its only one. Transactions are measured by the service's own
histogram, whose buckets are coarse.""",
    "start": """\
With an empty consumer group whose initial rebalance delay is 0.""",
    "growth": """\
The jobs are in the changelog before the start, each is due every 30 s, and no budget binds: a million jobs are
then 333 Lists a second, which is more than AWS will grant.""",
    "layers": """\
The process samples its own stack every 4 ms of CPU. A sample belongs to the innermost frame that is of one of
these layers, so what the standard library does counts for its caller.""",
}
