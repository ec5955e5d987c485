"""The faults, one row each, in the order and under the numbers of the reliability analysis."""

import signal
from collections.abc import Mapping

from tests.faults import (
    aws,
    brokers,
    clocks,
    credentials,
    network,
    poison,
    predecessors,
    processes,
    rollouts,
    topics,
    versions,
)
from tests.faults.lab import REQUEST_TIMEOUT, SESSION
from tests.faults.proxy import Action, Api
from tests.faults.runner import Row
from tests.faults.station import Footing

TAKEOVER = SESSION + 2
LOST = REQUEST_TIMEOUT + 8
"""A request without an answer is noticed, the partition is assigned anew, fenced and restored."""

BACKLOG = 10.0
"""What was sent during a long outage is worked off first."""
HALTED = 30.0
"""A partition that is refused to us is tried again after so long."""

_KILL, _STOP = signal.SIGKILL, signal.SIGSTOP

ROWS: tuple[Row, ...] = (
    Row("1", "Replica killed", processes.sigkill, "SIGKILL", TAKEOVER, quick=True),
    Row("2", "Killed in an open transaction", processes.sigkill_in_transaction, "EndTxn swallowed, SIGKILL", TAKEOVER),
    Row(
        "3",
        "Killed between intent and call",
        processes.at_point("before-call", "Create*", _KILL),
        "point before-call",
        TAKEOVER,
    ),
    Row(
        "4",
        "Killed between answer and commit",
        processes.at_point("after-call", "Create*", _KILL),
        "point after-call",
        TAKEOVER,
        quick=True,
    ),
    Row(
        "5",
        "Killed behind the outcome's commit",
        processes.at_point("after-commit", "*", _KILL),
        "point after-commit",
        TAKEOVER,
    ),
    Row(
        "6",
        "Frozen with a commit on its way",
        processes.sigstop_in_transaction,
        "EndTxn held, SIGSTOP",
        TAKEOVER,
        quick=True,
    ),
    Row(
        "7",
        "Frozen between intent and call",
        processes.at_point("before-call", "Create*", _STOP),
        "point before-call, SIGSTOP beyond the session",
        TAKEOVER,
    ),
    Row("8", "Rolling restart", processes.rolling, "SIGTERM, new process, one after the other", 3.0, quick=True),
    Row("8s", "Static member killed and back", processes.static_restart, "SIGKILL, same instance id", 10.0),
    Row("9", "A third replica joins", processes.join, "new process", 3.0),
    Row("10", "Flapping replica, 8 times", processes.flapping(8), "SIGKILL and start", TAKEOVER + 4),
    Row(
        "11",
        "Same instance id twice",
        processes.same_instance_twice,
        "a second process, killed later",
        2 * SESSION + 2,
    ),
    Row("12", "Broker killed", brokers.killed(1.0), "SIGKILL, start", 5.0, quick=True),
    Row("13", "Broker stopped", brokers.stopped, "SIGTERM, start", 5.0),
    Row("14a", "Broker frozen 5 s", brokers.frozen(5), "SIGSTOP", 5.0),
    Row("14b", "Broker frozen 20 s", brokers.frozen(20), "SIGSTOP", BACKLOG),
    Row("14c", "Broker frozen 45 s", brokers.frozen(45), "SIGSTOP", BACKLOG),
    Row(
        "15",
        "Broker gone longer than transactions may last",
        brokers.killed(20.0),
        "SIGKILL, 20 s (limit 16 s), start",
        BACKLOG,
    ),
    Row("16a", "Commit arrives late, before the fence", network.late_before_the_fence, "EndTxn held", LOST),
    Row(
        "16b",
        "Commit arrives late, into the next transaction",
        network.late_behind_the_fence,
        "EndTxn held",
        LOST,
        quick=True,
    ),
    Row("17a", "Answer to the commit lost", network.once(Action.DROP_RESPONSE, Api.END_TXN), "EndTxn", LOST),
    Row("17b", "Connection cut at the commit", network.once(Action.CUT_BEFORE, Api.END_TXN), "EndTxn", LOST),
    Row("18", "Answer to a produce lost", network.once(Action.CUT_AFTER, Api.PRODUCE), "Produce", LOST),
    Row(
        "19a", "AddPartitionsToTxn lost", network.once(Action.DROP_REQUEST, Api.ADD_PARTITIONS_TO_TXN), "request", LOST
    ),
    Row("19b", "TxnOffsetCommit lost", network.once(Action.DROP_RESPONSE, Api.TXN_OFFSET_COMMIT), "answer", LOST),
    Row("20a", "Half-open connections of a replica", network.half_open, "silent, not closed", SESSION + LOST),
    Row("20b", "Black hole, 8 s", network.blackhole, "all connections", SESSION + LOST),
    Row("21", "Slow line, 0.1-1 s per frame", network.slow_line, "12 s", LOST),
    Row(
        "22",
        "Transaction outlasts its limit",
        network.once(Action.DELAY, Api.END_TXN, seconds=20),
        "EndTxn 20 s late",
        LOST,
    ),
    Row("23", "Idle beyond the expiry of transactional ids", topics.idle, "4 s", 5.0, footing="forgetful"),
    Row(
        "24", "Commands deleted before they were consumed", topics.commands_deleted, "delete_records", 0.0, spoils=True
    ),
    Row("25", "Partitions added", topics.partitions_added, "create_partitions", 0.0, spoils=True),
    Row("26", "Topic of replies takes no record, 6 s", topics.outlet_too_small, "max.message.bytes", LOST + 15),
    Row("27", "Right to write revoked, 6 s", credentials.right_revoked, "DENY ACL", HALTED + 15, footing="secure"),
    Row("28a", "Password changed, 6 s", credentials.password_changed, "SCRAM", LOST + 15, footing="secure"),
    Row(
        "28b",
        "Sessions expire every 12 s",
        credentials.sessions_expire,
        "connections.max.reauth.ms",
        SESSION + LOST,
        footing="secure",
    ),
    Row("29", "API: connection closed after the effect", aws.switches("close_after_effect"), "switch", 3.0, quick=True),
    Row("30", "API hangs after the effect", aws.switches("hang", seconds=20), "switch", 3.0),
    Row("31", "API: 500 before and after the effect", aws.switches("error", "error_after_effect"), "switch", 3.0),
    Row(
        "32",
        "API: 200 with broken JSON, HTML, nothing",
        aws.switches("bad_json", "html", "empty"),
        "switch",
        3.0,
        quick=True,
    ),
    Row("33", "Throttle storm, 10 s", aws.storm(10), "429 to all", 3.0),
    Row("34", "List stale 3 s, answers lost", aws.stale_lists, "switch, settle 4 s", 3.0, quick=True),
    Row("35", "List pages overlap, tokens expire", aws.paging, "switch", 3.0),
    Row(
        "36",
        "Status unknown, or backwards",
        aws.switches("unknown_status", "backward_status", operations=("Get*", "List*"), count=6),
        "switch",
        3.0,
        quick=True,
    ),
    Row("37a", "Resource deleted by another client", aws.foreign_deletion, "stuck, then removed", 3.0),
    Row("37b", "Policy rewritten by another client", aws.foreign_policy, "other client", 3.0),
    Row(
        "37c",
        "Jobs and deletions fail",
        aws.switches("create_failed", "delete_failed", operations=("*",), count=4),
        "switch",
        3.0,
    ),
    Row("38", "STS down", credentials.sts_down, "own STS", 5.0),
    Row("39a", "Clocks 10 min ahead and behind", credentials.clocks, "clock port", TAKEOVER),
    Row("39b", "AWS refuses our clock", aws.switches("clock_skew", operations=("*",), count=10), "403", 3.0),
    Row("40", "One account hangs", aws.hung_account, "switch", 3.0),
    Row("41", "Event loop stalls 8 s", processes.loop_stall, "SIGUSR1 to a blocking handler", TAKEOVER),
    Row(
        "42a",
        "Changelog of each former version",
        versions.older_changelog,
        "golden records",
        0.0,
        spoils=True,
        verdict="goes on",
        settings=(("TIMING__ACCEPTED_SEARCH_LIMIT", "10"),),
    ),
    Row(
        "42b",
        "Changelog of a newer version",
        versions.newer_changelog,
        "raw produce, then skip-corrupt",
        0.0,
        spoils=True,
        verdict="halts, goes on when repaired",
    ),
    Row("43", "Corrupt changelog record", topics.changelog_corrupt, "raw produce", 0.0, spoils=True),
    Row("44", "Log to a full disk, log to a closed pipe", processes.log_unwritable, "/dev/full, FIFO", TAKEOVER),
    Row("45a", "Clock steps 2 h ahead, and back", clocks.stepped(2 * clocks.HOUR), "libfaketime, 8 s", 12.0),
    Row("45b", "Clock steps 2 h back, and ahead", clocks.stepped(-2 * clocks.HOUR), "libfaketime, 8 s", 12.0),
    Row("45c", "Clock steps 30 days ahead, and back", clocks.stepped(30 * clocks.DAY), "libfaketime, 8 s", 12.0),
    Row("45d", "Replica starts with a clock 30 days ahead", clocks.started(30 * clocks.DAY), "libfaketime", TAKEOVER),
    Row("45e", "Replica starts with a clock 30 days back", clocks.started(-30 * clocks.DAY), "libfaketime", TAKEOVER),
    Row(
        "46",
        "Records near every limit, 9 shapes",
        poison.every_shape,
        "raw produce",
        10.0,
        quick=True,
        calm=True,
        parks=False,
    ),
    Row(
        "47a",
        "API: 200 with members of wrong types",
        aws.switches("wrong_types", operations=("Create*", "Start*", "Get*", "List*"), count=4),
        "switch",
        3.0,
    ),
    Row(
        "47b",
        "API: 404 for what is there",
        aws.switches("not_found", operations=("Get*",), count=6),
        "switch",
        3.0,
        parks=False,
    ),
    Row("48", "Commits slower than the call window, 10 s", network.slow_commits(1.5, 10), "EndTxn 1.5 s late", LOST),
    Row("49", "A target missing on one replica", rollouts.target_missing, "settings differ", TAKEOVER, parks=False),
    Row("50", "The group's offsets deleted", topics.offsets_deleted, "delete_consumer_groups", TAKEOVER, parks=False),
    Row(
        "51",
        "A reply topic named by commands refuses, for good",
        topics.named_topic_refuses,
        "max.message.bytes",
        LOST,
        settings=(("TENANTS__DEFAULT__REPLY_TOPICS", topics.NARROW),),
    ),
    Row(
        "52",
        "Killed between a predecessor's end and its successor's call",
        predecessors.killed_at_the_end_of("Create*"),
        "point after-commit",
        TAKEOVER,
    ),
    Row("53", "Rebalances while 50 wait for one", predecessors.rebalanced, "new process, SIGTERM", 3.0, parks=False),
    Row(
        "54",
        "Rolled back to the release before chains, and on again",
        predecessors.rolled_back,
        "former release's code",
        TAKEOVER,
        parks=False,
    ),
    Row(
        "55",
        "Predecessors parked, then resolved",
        predecessors.parked,
        "switches, answers lost and lists denied; SIGKILL",
        TAKEOVER,
        settings=(("TIMING__SEARCH_LIMIT", "6"),),
    ),
)


_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
FOOTINGS: Mapping[str, Footing] = {
    "plain": Footing(),
    "forgetful": Footing(
        {
            "transactional.id.expiration.ms": "4000",
            "producer.id.expiration.ms": "4000",
            "transaction.remove.expired.transaction.cleanup.interval.ms": "1000",
            "producer.id.expiration.check.interval.ms": "1000",
        }
    ),
    "secure": Footing(
        {
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "connections.max.reauth.ms": "12000",
            **{f"listener.name.lab{n}.scram-sha-512.sasl.jaas.config": _SCRAM for n in range(4)},
        },
        prepare=credentials.secure,
        access={
            "KAFKA__SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "KAFKA__SASL_MECHANISM": "SCRAM-SHA-512",
            "KAFKA__SASL_USERNAME": credentials.USER,
            "KAFKA__SASL_PASSWORD": credentials.PASSWORD,
        },
        protocol="SASL_PLAINTEXT",
    ),
}
"""Brokers, by what is special about them."""


ALONE = ("1", "2", "3", "4", "5", "8", "8s", "9", "12", "14a", "14b", "14c")
"""What is measured one laboratory at a time; an outage of the broker strikes all alike, and torn transactions wait."""

FIGURES: tuple[tuple[str, tuple[str, ...], str, str], ...] = (
    ("SIGKILL: taken over (session 6 s)", ("1", "2", "3", "4", "5"), "", "<= 7"),
    ("SIGTERM: the process has ended", ("8",), "exit", "<= 2 + the call under way"),
    ("SIGTERM: taken over", ("8",), "takeover", "<= 2 + the call under way"),
    ("Static member back: serving to first answer of all partitions", ("8s",), "serving to work", "<= 1"),
    ("Static member back: process start to first answer", ("8s",), "start to work", "-"),
    ("Static member back: process start to serving, Python's start", ("8s",), "start to serving", "-"),
    ("2 to 3 replicas: longest wait for a reply", ("9",), "gap", "<= 1 + the call under way"),
    ("Broker killed and back: port opens to first commit", ("12",), "first commit", "<= 2"),
    ("Broker killed and back: all partitions", ("12",), "", "-"),
    ("Broker frozen 5 s: first commit", ("14a",), "first commit", "<= 1"),
    ("Broker frozen 20 s: first commit", ("14b",), "first commit", "<= 1"),
    ("Broker frozen 45 s: first commit", ("14c",), "first commit", "<= 1"),
    ("Torn transactions: EndTxn late or lost, four cases", ("16a", "16b", "17a", "17b"), "", "4 of 4"),
)
"""Name, rows, figure of their runs (empty: resumption), what is wanted."""
