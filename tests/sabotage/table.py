"""The sabotages: which guard is dropped, how, what that would lead to, and which test must fail."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sabotage:
    """One guard less.

    Attributes:
        name: Says what is done.
        module: Where.
        old: The source as it is; occurs exactly once.
        new: What it is replaced by.
        leads_to: What would happen in production.
        caught_by: The test that must fail, as pytest names it; it passes without the sabotage.
        simulated: Whether the simulator finds it too, by drawn schedules.
        kafka: Whether the test needs a real Kafka, and so belongs to the long suite.
    """

    name: str
    module: str
    old: str
    new: str
    leads_to: str
    caught_by: str
    simulated: bool = False
    kafka: bool = False


SABOTAGES = (
    Sabotage(
        "drop law 1: calls leave whenever their turn comes",
        "service.runtime.activities",
        "(self._read or age <= self._context.policy.call_window)",
        "(self._read or age < float('inf'))",
        "A process that was away calls AWS after its successor has settled and called: two resources.",
        "tests/runtime/test_ownership.py::test_a_zombie_whose_turn_comes_late_does_not_call",
        simulated=True,
    ),
    Sabotage(
        "count the call window from the commit's answer",
        "service.runtime.shard",
        "self._activities.plan(key, self._store.job(key), began)",
        "self._activities.plan(key, self._store.job(key), self._context.clock.monotonic())",
        "A process that stood still between a commit and its answer finds its window open: two resources.",
        "tests/simulation/test_scripts.py"
        "::test_a_window_is_counted_from_the_begin_of_the_commit_and_not_from_its_answer",
        simulated=True,
    ),
    Sabotage(
        "drop law 2: settle for less than lists lag",
        "service.core.transitions",
        "settled = job.since + policy.settle",
        "settled = job.since + policy.call_window",
        "A creation that lists do not show yet is made again: two resources.",
        "tests/runtime/test_crash.py::test_while_the_outcome_is_being_searched_for[12.0]",
        simulated=True,
    ),
    Sabotage(
        "a new owner goes on settling where the former one was",
        "service.core.transitions",
        "return Step(replace(job, since=now, due=0.0, searches=0))",
        "return Step(replace(job, due=0.0, searches=0))",
        "The former owner may have called until just now, and is not waited for: two resources.",
        "tests/runtime/test_crash.py::test_an_empty_search_begins_again_with_every_crash",
    ),
    Sabotage(
        "a new owner calls at once what the former one may have called",
        "service.core.transitions",
        "    if repeat(job.command) in _RECONCILED:\n        return Step(_uncertain(job, now, None))\n    again",
        "    again",
        "Each crash between a call and its outcome makes a second resource.",
        "tests/runtime/test_crash.py::test_after_the_call_and_before_its_outcome_is_known",
        simulated=True,
    ),
    Sabotage(
        "repeat a creation whose answer was lost",
        "service.core.transitions",
        "    if repeat(job.command) in _RECONCILED:\n        return Step(_uncertain(job, now, None))\n    if now",
        "    if now",
        "Each lost answer makes a second resource.",
        "tests/core/test_simulation.py::test_nothing_twice_nothing_stuck_nothing_untrue",
        simulated=True,
    ),
    Sabotage(
        "line up only who may call, and not who is searched for or tried again later",
        "service.runtime.activities",
        "for key, job in jobs if keeps_line(job)]",
        "for key, job in jobs if job.phase is Phase.INTENDED and not job.due]",
        "After a restart the next command of a key overtakes the one whose outcome is open.",
        "tests/runtime/test_order.py::test_what_is_searched_for_keeps_its_turn_over_a_restart[crash]",
        simulated=True,
    ),
    Sabotage(
        "line up in the order of the changelog",
        "service.runtime.activities",
        "sorted(waiting, key=lambda each: (each[1].turn, each[1].accepted_at))",
        "waiting",
        "After compaction a new owner calls the commands of a key in any order.",
        "tests/runtime/test_order.py::test_turns_are_in_the_records_and_not_in_the_order_of_the_changelog",
    ),
    Sabotage(
        "hold the line for a start time",
        "service.core.job",
        "begins_later = job.due > 0 and not (job.turn or job.retries or job.attempt > 1)",
        "begins_later = False",
        "A command with a notbefore of next year blocks its key until then.",
        "tests/runtime/test_order.py::test_who_waits_for_a_start_time_holds_nobody_up_and_comes_last_then",
    ),
    Sabotage(
        "act before the commit",
        "service.runtime.shard",
        "            records = batch.out()\n",
        "            records = batch.out()\n            for key in batch.acting:\n"
        "                self._activities.plan(key, self._store.job(key), began)\n            await asyncio.sleep(0)\n",
        "A crash in the commit forgets a call that was made; the copy of the command makes a second resource.",
        "tests/runtime/test_stop.py::test_nothing_new_begins_while_stopping",
        simulated=True,
    ),
    Sabotage(
        "re-initialise after being fenced",
        "service.runtime.assignment",
        "            self._log.rejoin()\n",
        "            asyncio.get_running_loop().call_soon(self._open, shard.partition)\n",
        "A zombie throws the true owner out, again and again; measured: 51 records twice in one run.",
        "tests/runtime/test_ownership.py::test_who_was_fenced_opens_nothing_by_itself",
        simulated=True,
    ),
    Sabotage(
        "take a kept partition for one's own without a commit",
        "service.runtime.shard",
        "        self._inbox.put(Resumed())\n",
        "",
        "Who missed its session while it restored goes on without the jobs of another owner: they stand still.",
        "tests/runtime/test_ownership.py"
        "::test_an_owner_that_was_away_learns_what_another_took_on_although_nothing_more_arrives",
        simulated=True,
    ),
    Sabotage(
        "tell of a shard's end before it is forgotten",
        "service.runtime.assignment",
        "                self._ended(partition, shard)\n",
        "                pass\n",
        "An assignment in that moment goes on with a shard that has ended: nobody serves its partition.",
        "tests/runtime/test_ownership.py::test_an_assignment_in_the_moment_of_a_shards_end_opens_its_partition_anew",
    ),
    Sabotage(
        "send replies to a topic that is missing",
        "service.runtime.shard",
        "            batch.divert(missing)\n",
        "",
        "No transaction with such a reply ever ends: the partition stands still for everybody.",
        "tests/runtime/test_reply_topics.py::test_replies_to_a_topic_that_never_was_go_to_the_default_one",
    ),
    Sabotage(
        "open partitions while stopping",
        "service.runtime.assignment",
        "if self._is_closing():  # meanwhile: what would be opened now nobody would close",
        "if False:",
        "A stop amid a rebalance never ends.",
        "tests/runtime/test_stop.py::test_while_a_new_assignment_is_being_taken_up",
    ),
    Sabotage(
        "take records that were meant for a predecessor",
        "service.runtime.shard",
        "        if not self._ready.is_set():\n            return\n        for record",
        "        for record",
        "A partition that had halted skips what was left in front of them.",
        "tests/runtime/test_broken_log.py"
        "::test_records_for_a_predecessor_that_halted_are_not_taken_ahead_of_what_it_left",
    ),
    Sabotage(
        "skip a corrupt changelog record",
        "service.runtime.store",
        "            self._corrupt[key] = str(error)\n",
        "",
        "A command is forgotten, and its copy makes a second resource.",
        "tests/runtime/test_inbox_store.py",
    ),
    Sabotage(
        "number events without what was restored",
        "service.runtime.batch",
        "        before = self._store.resource(key)\n",
        "        before = None\n",
        "A resource's events begin at 1 again.",
        "tests/runtime/test_batch.py::test_sequences_are_counted_over_batches_and_within_one",
        simulated=True,
    ),
    Sabotage(
        "answer a known id whatever the content",
        "service.runtime.intake",
        "if command.digest != known.command.digest:",
        "if False:",
        "A publisher that reuses an id is told the end of another command.",
        "tests/runtime/test_intake.py::test_another_content_under_a_known_id_is_a_misuse",
    ),
    Sabotage(
        "take a known id for a new command",
        "service.runtime.intake",
        "    if known is not None:\n",
        "    if known is not None and known.phase == 'running':\n",
        "A command that was published twice is performed twice.",
        "tests/runtime/test_intake.py::test_a_duplicate_after_the_end_gets_the_terminal_reply_again",
        simulated=True,
    ),
    Sabotage(
        "know commands by their id alone",
        "schemas.records",
        "return msgspec.json.encode([source, command_id])",
        "return msgspec.json.encode([command_id])",
        "Two publishers that count from 1 get each other's answers.",
        "tests/core/test_records.py::test_no_two_keys_are_the_same",
    ),
    Sabotage(
        "adopt what carries a marker that begins alike",
        "service.core.reconciliation",
        "if carried(summary.get(MARKER_MEMBER)) == token)",
        "if carried(summary.get(MARKER_MEMBER))[:1] == token[:1])",
        "A command adopts what another one has made.",
        "tests/core/test_marker.py::test_a_match_is_exact",
    ),
    Sabotage(
        "write a request twice",
        "service.adapters.aws.transport",
        "        if self.sent:\n",
        "        if False:\n",
        "aiohttp writes again when a kept connection breaks: an update or a deletion goes out twice.",
        "tests/adapters/test_aws_wire.py::test_a_kept_connection_that_closes_is_not_written_twice",
    ),
    Sabotage(
        "let botocore and the transport try again",
        "service.adapters.aws.config",
        "def client_config(target: Target, attempts: int = 1",
        "def client_config(target: Target, attempts: int = 3",
        "A creation that AWS answered with 500 leaves up to three times; measured with the defaults: five.",
        "tests/adapters/test_aws_wire.py::test_one_write_and_sent",
    ),
    Sabotage(
        "commit without awaiting what was sent",
        "service.adapters.kafka.producer",
        "    if acknowledgements:\n",
        "    if not __debug__:\n",
        "A record that the broker refuses is lost, while the offset of its command is committed.",
        "tests/contract/test_log.py::test_a_record_that_is_too_large_commits_nothing",
        kafka=True,
    ),
    Sabotage(
        "skip the fence: a producer id of one's own for each owner",
        "service.adapters.kafka.producer",
        'transactional_id=f"{settings.application}-{partition.topic}-{partition.partition}",',
        'transactional_id=f"{settings.application}-{partition.topic}-{partition.partition}-{id(partition)}-{id([])}",',
        "A zombie commits beside its successor; measured: 40 records twice.",
        "tests/contract/test_log.py::test_a_second_open_fences_the_first",
        kafka=True,
    ),
    Sabotage(
        "restore to the last stable offset",
        "service.adapters.kafka.offsets",
        'isolation_level="read_uncommitted",',
        'isolation_level="read_committed",',
        "What lies behind an open transaction is forgotten: commands, and the numbers of events.",
        "tests/contract/test_log_kafka.py::test_the_end_of_a_changelog_lies_behind_what_is_still_open",
        kafka=True,
    ),
    Sabotage(
        "send a lost transactional request again",
        "service.adapters.kafka.producer",
        "    _make_losses_fatal(producer.client, settings.unready_backoff)\n",
        "",
        "A late EndTxn ends the transaction after it: half of the cases silently wrong when it was measured.",
        "tests/contract/test_log_kafka.py::test_a_lost_end_of_a_transaction_is_never_sent_again",
        kafka=True,
    ),
    Sabotage(
        "commit offsets apart from the transaction",
        "service.adapters.kafka.producer",
        "        await producer.send_offsets_to_transaction(offsets, group_id)\n",
        "        pass\n",
        "Every command is read again after each take-over.",
        "tests/contract/test_log.py::test_a_commit_is_atomic_and_moves_the_offset",
        kafka=True,
    ),
    Sabotage(
        "reset the offset automatically",
        "service.adapters.kafka.group",
        'auto_offset_reset="none",',
        'auto_offset_reset="earliest",',
        "Commands that retention has removed are skipped without a word.",
        "tests/contract/test_log_kafka.py::test_an_offset_that_retention_removed_halts_its_partition",
        kafka=True,
    ),
    Sabotage(
        "report a member's name of any length",
        "schemas.commands",
        "path = sizes.printable(each.path, sizes.MAX_PATH)",
        "path = each.path",
        "A job record larger than its topic takes: the record is read again for ever.",
        "tests/badinput/test_sizes.py::test_a_mebibyte_in_any_place_leaves_the_partition_running",
    ),
    Sabotage(
        "report all violations however many bytes they have",
        "schemas.commands",
        "if room < 0 and number:",
        "if False:",
        "With a small limit a reply is larger than its topic takes, and says less than it could.",
        "tests/schemas/test_commands.py::test_long_violations_are_cut_and_as_many_as_have_room_are_told",
    ),
    Sabotage(
        "let a record of any size into a batch",
        "service.runtime.batch",
        "        if size > limit:\n",
        "        if False:\n",
        "A header's name that is not UTF-8 makes a dead letter that can't be written: its partition is blocked.",
        "tests/badinput/test_sizes.py::test_a_record_that_cannot_be_wrapped_is_named_and_measured",
    ),
    Sabotage(
        "forget that a topic refused a record",
        "service.runtime.shard",
        "if not self._context.ceilings.lower(refused.topic, refused.size):",
        "if False:",
        "A topic whose limit was lowered closes its writers again and again, and moves all partitions each time.",
        "tests/runtime/test_ceilings.py::test_a_topic_whose_limit_was_lowered_is_written_to_in_short",
    ),
    Sabotage(
        "take all that waits into one transaction",
        "service.runtime.batch",
        "return self._size >= self._context.batch_bytes",
        "return False",
        "A burst of large records never commits within its deadline: the partition is blocked.",
        "tests/runtime/test_ceilings.py::test_a_transaction_holds_no_more_than_it_should",
    ),
    Sabotage(
        "hold large records in memory until there are many",
        "service.runtime.shard",
        "            self._inbox.bytes / context.inbox_bytes,\n",
        "",
        "A burst of large records fills the memory of the process.",
        "tests/runtime/test_ceilings.py::test_an_inbox_full_of_large_records_pauses_delivery",
    ),
    Sabotage(
        "call every unforeseen exception a lack of credentials",
        "service.adapters.aws.failures",
        "    return Failure(SERVICE_ERROR, message, sent=False)",
        '    return Failure("CredentialsUnavailable", message, sent=False)',
        "A defect is retried for a day, and holds up the commands with the same key.",
        "tests/adapters/test_aws_wire.py::test_only_a_listed_exception_before_the_request_is_about_credentials",
    ),
    Sabotage(
        "take dates that UTC does not have",
        "schemas.cloudevents",
        ".astimezone(UTC).timestamp()",
        ".timestamp()",
        "A request that can't be built is found out only when it is to be sent.",
        "tests/schemas/test_cloudevents.py::test_no_timestamps",
    ),
)
