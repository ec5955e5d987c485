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
200 (*R* - *e*).

**Missed where ends are denser than over 2 h**: within 1 h, a quarter of the budget goes to their Gets, within
half an hour more than half. What would reach it: an event without the details that a List lacks, which the
contract excludes, or a larger budget ([ADR 0035](adr/0035-one-list-serves-all.md)).""",
    "following": """\
All four are measured in the same minute. The peers do nothing but ask.

**Idle is missed by little.** What is left: heartbeats of the consumer group (two a second), answers to long polls
for commands and for standby copies (two a second each), the timers of the shards, and a check of the topics each
minute. What would reach it: a longer `kafka.heartbeat_interval`, which delays rebalances, or one long poll for
both kinds of topics.""",
    "memory": """\
Resident memory is what the process grew by, `allocated` what Python's allocator handed out for it, by
`tracemalloc`. Keys and records come as they would from Kafka. The peer remembers nothing durable.

**A running job is missed.** It is held as its record (700 bytes with the key), its slot, its watch, and entries
in the indexes of each. What would reach it: watches and slots packed by number instead of objects by key.""",
    "pauses": """\
Milliseconds of CPU of the longest collection. The collection through everything comes at a rebalance, when
nothing is served, at most every ten minutes ([ADR 0037](adr/0037-short-collections.md)).

**Missed at a million jobs**, by 1 ms, in this run; another one of the same day measured 9 ms. The collection goes
through what has come since the last freeze, whose number is the same in both. What would reach it for certain: to
freeze again after a number of records, and not only after a restore and at a rebalance.""",
    "restore": """\
The peer reads the same records, decodes them and keeps nothing: the least that a restore can take with this
client and decoder.

**Missed**: what has ended takes 2.1 to 2.4 times the peer, of which deciding how long each is remembered needs the
decoded record; each running job is decoded, takes a step of the state machine, a slot and a watch. What would
reach it: the phase and the time of the end beside the record (a header), so that what has ended is not decoded;
and restoring running jobs of the same phase in one step. The former is a change of the changelog's format, which
releases before it must be able to read.""",
    "flood": """\
An intent is a committed record that permits a call. They are counted in the changelog after the run.""",
    "gets": """\
Each command of the service is four records in two transactions: `accepted` and its state, its end and the reply.
The peers write one record and remember nothing; a crash makes the loop call twice, and FastStream, which
acknowledges first, never.

**Missed**: see where the [microseconds](#where-the-microseconds-of-a-command-go) go. A third is the call to AWS;
next come decoding, validating and encoding (each record of the changelog is read once more before it is
committed, so that no later owner meets one that it can't read), and the runtime. Transactions are large already,
some 180 records in a burst, so waiting for more of them gains nothing. What would reach it: an HTTP client that
does less than aiohttp's, and proving a record only where its shape is new.""",
    "writes": """\
A creation of the service has been called once, is durable, and is followed from then on; the peers have forgotten
it.

**Missed** for the same reasons as reads: the service commits up to five records for a write where a peer writes
one, since a command of a burst is permitted by a commit of its own.""",
    "latency": """\
Read with care: the publisher, Kafka, the stub and the service share two cores with other work, so a delay
includes waiting for a core. The service's reply is `accepted`, the peer's its only one. Transactions are measured
by the service's own histogram, linear between coarse bounds.

**Missed**: `accepted` comes after one transaction, and that takes most of the time. The Kafka client asks for it
in five round trips, one after the other: partitions, records, the group's offsets (two), the end. What would
reach it: a client that leaves the adding of partitions to the broker (KIP-890), or a quiet machine with Kafka on
another one; neither was at hand. At 500 a second, the loop of aiokafka, whose reply also holds the call, takes
longer.""",
    "start": """\
With an empty consumer group whose initial rebalance delay is 0.""",
    "growth": """\
The jobs are in the changelog before the start, each is due every 30 s, and no budget binds. CPU until ready is
that of the process's start and its restore. With jobs due every 30 s, 15 s from an end to its event is what a
List at that interval gives.

**A million jobs of one account** are followed by Lists of 10,000 pages, 333 calls a second, instead of 33,000 Gets a
second; the stub answers at once, AWS would grant neither. Until 27 November a List of more than 1,000 pages counted
as endless: then 95 % of the ends had no event after a minute.""",
    "layers": """\
The process samples its own stack every 4 ms of CPU. A sample belongs to the innermost frame that is of one of
these layers, so what the standard library does counts for its caller.""",
}
