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
        "                if keeps_line(job):\n",
        "                if job.phase is Phase.INTENDED and not job.due:\n",
        "After a restart the next command of a key overtakes the one whose outcome is open.",
        "tests/runtime/test_order.py::test_what_is_searched_for_keeps_its_turn_over_a_restart[crash]",
        simulated=True,
    ),
    Sabotage(
        "line up in the order of the changelog",
        "service.runtime.activities",
        "for key, job in sorted(jobs, key=lambda each: (each[1].turn, each[1].accepted_at)):",
        "for key, job in jobs:",
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
        "delete at the cancellation's own target",
        "service.core.cancellation",
        "        target=other.command.target,\n",
        "",
        "The deletion goes to another account; after a crash it counts as done while the billed model lives.",
        "tests/runtime/test_cancel.py::test_a_deletion_is_of_that_resource_at_its_target_whenever_processes_crash[0]",
    ),
    Sabotage(
        "take parked for nothing made",
        "service.core.cancellation",
        "if other.phase is Phase.PARKED:\n        return _wait",
        "if False:\n        return _wait",
        "A cancellation says that there was nothing to delete; the model that is adopted later stays and is billed.",
        "tests/runtime/test_cancel.py::test_a_parked_command_is_waited_for_and_what_it_adopts_is_deleted[True]",
    ),
    Sabotage(
        "carry a cancellation out whatever its times say",
        "service.core.transitions",
        "return effects.Rest(job.due, wall=resting.awaits_start(job)) if job.due else _act(job)",
        "return _act(job)",
        "A deletion that was meant for tomorrow is sent today.",
        "tests/runtime/test_cancel.py::test_its_own_deadline_and_start_time_are_respected",
    ),
    Sabotage(
        "delete without the right to delete",
        "service.runtime.cancelling",
        "objection = _objection(operation, other, batch, context) if operation else None",
        "objection = None",
        "Who may only create and cancel deletes all the same, at a target that its tenant has lost.",
        "tests/runtime/test_cancel.py::test_a_deletion_needs_the_right_to_delete_there",
    ),
    Sabotage(
        "adopt an ARN of another account",
        "service.runtime.resolving",
        "    if not decision.resource_id:\n        return None",
        "    if True:\n        return None",
        "A parked command adopts, and a cancellation then deletes, what lies elsewhere.",
        "tests/runtime/test_cancel.py::test_what_is_adopted_lies_at_the_target_of_the_command",
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
        "return marked(row(command).resource, listed).get(marker(command), ())",
        "return next((of for token, of in marked(row(command).resource, listed).items() "
        "if token[:1] == marker(command)[:1]), ())",
        "A command adopts what another one has made.",
        "tests/core/test_marker.py::test_a_match_is_exact",
    ),
    Sabotage(
        "repeat after one empty list in pages",
        "service.core.transitions",
        "EMPTY_LISTS: Final = 2\n",
        "EMPTY_LISTS: Final = 1\n",
        "A deletion between two pages hides what a lost call has made: it is made again.",
        "tests/runtime/test_searches.py::test_a_deletion_between_two_pages_makes_nothing_twice",
    ),
    Sabotage(
        "search without an end",
        "service.core.transitions",
        "if later.tried > limit else",
        "if False else",
        "A right that is missing for good blocks a key and takes a slot for ever.",
        "tests/core/test_lost.py::test_a_search_that_always_fails_ends_for_a_person",
    ),
    Sabotage(
        "repeat a lost creation without an end",
        "service.core.transitions",
        "        return endings.failed(job, endings.CALLS_LOST, now)\n",
        "        pass\n",
        "A creation that AWS never answers is called every few minutes for ever.",
        "tests/core/test_lost.py::test_a_creation_that_is_lost_and_not_made_again_and_again_fails",
    ),
    Sabotage(
        "take the refusal of a repeat for the whole outcome",
        "service.core.transitions",
        "if may_have_happened(job) or code in _EVIDENCE[kind]:",
        "if code in _EVIDENCE.get(kind, ()):",
        "A write that was performed is told as failed, and its event is missing.",
        "tests/runtime/test_searches.py::test_a_write_that_was_performed_and_whose_repeat_is_refused_has_succeeded",
    ),
    Sabotage(
        "count what two pages show as two",
        "service.core.reconciliation",
        "        return summary.get(resource.identity)\n",
        "        return object()\n",
        "A list whose pages overlap parks a command whose outcome is plain.",
        "tests/runtime/test_searches.py::test_what_two_pages_show_is_one",
    ),
    Sabotage(
        "follow a token that came before",
        "service.runtime.dispatch",
        "            if token in tokens:\n",
        "            if False:\n",
        "A list that repeats itself takes the whole budget of reads, again and again.",
        "tests/runtime/test_searches.py::test_a_token_that_comes_again_ends_the_list",
    ),
    Sabotage(
        "list for each search",
        "service.runtime.searches",
        "if line.last is None or line.ended == asked:",
        "if True:",
        "After a crash hundreds of commands list all pages each, and nothing else is read.",
        "tests/runtime/test_searches.py::test_after_a_crash_the_lists_are_few_however_many_creations_are_searched_for",
    ),
    Sabotage(
        "let reads go before polls",
        "service.core.budget",
        "    return min((lane for lane in waiting if lane > last), default=first)\n",
        "    return first\n",
        "While a publisher sends reads, no end of a job is seen.",
        "tests/runtime/test_searches.py::test_reads_of_publishers_do_not_starve_polls",
    ),
    Sabotage(
        "know a throttle by its status",
        "service.runtime.dispatch",
        "elif faults.fault_class(outcome) is faults.FaultClass.THROTTLED:",
        "elif outcome.http_status == 429:",
        "AWS asks for fewer calls with a 400 or 503, and gets as many.",
        "tests/runtime/test_searches.py::test_a_throttle_slows_the_budget_whatever_its_status",
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
        "serve a job whatever it names",
        "service.core.holding",
        """    if ended(job) or job.awaits:
""",
        """    if job.phase:
""",
        "A job of a removed target is planned: its partition fails in every process that takes it over.",
        "tests/runtime/test_held.py::test_a_job_of_a_removed_target_is_held_and_goes_on_when_the_target_is_back",
    ),
    Sabotage(
        "serve a job whatever account its target is",
        "service.core.holding",
        'return "" if _at_home(job, policy) else TARGET_CHANGED',
        'return ""',
        "Another account's lists lack what a job has made: it is made again, or said to be gone.",
        "tests/runtime/test_held.py::test_a_target_that_is_another_account_by_now_is_not_asked_about_old_jobs[now0]",
    ),
    Sabotage(
        "cancel a held job that a former owner may have called",
        "service.core.cancellation",
        "return Chance.TOO_LATE if held else Chance.IF_UNSENT",
        "return Chance.IF_UNSENT",
        "A command is said to be cancelled, and its model is trained and billed.",
        "tests/runtime/test_held.py::test_a_held_job_whose_call_may_have_left_is_not_said_to_be_cancelled",
    ),
    Sabotage(
        "give a held job its slot",
        "service.runtime.activities",
        """        self._held[key] = why
        self._free_slot(key)
""",
        """        self._held[key] = why
        self._occupy(key, job)
""",
        "Jobs of an account that is no longer a target use up the slots of the one that is.",
        "tests/runtime/test_held.py::test_a_target_that_is_another_account_by_now_is_not_asked_about_old_jobs[now0]",
    ),
    Sabotage(
        "let a defect in planning out",
        "service.runtime.activities",
        """        try:
            self._plan(key, job, committed_at)
            self._defects.clear(key)
        except Exception as error:
""",
        """        try:
            self._plan(key, job, committed_at)
            self._defects.clear(key)
        except ZeroDivisionError as error:
""",
        "One job stops its partition, in every process that takes it over.",
        "tests/runtime/test_unforeseen.py"
        "::test_one_job_breaks_nothing_else[service.core.transitions:activity-a creation]",
    ),
    Sabotage(
        "try for ever what breaks the service",
        "service.runtime.defects",
        "return _DELAYS[count] if count < len(_DELAYS) else None",
        "return _DELAYS[min(count, 2)]",
        "A job that the service can't cope with never ends, and its key is blocked.",
        "tests/runtime/test_unforeseen.py"
        "::test_one_job_breaks_nothing_else[service.core.transitions:activity-a creation]",
    ),
    Sabotage(
        "leave half of what a broken record has done",
        "service.runtime.batch",
        """            while len(self._undo) > undo:
                self._undo.pop()()
            raise
""",
        """            raise
""",
        "A record is a dead letter and an accepted command at once.",
        "tests/runtime/test_unforeseen.py::test_a_record_that_breaks_the_service_leaves_only_a_dead_letter",
    ),
    Sabotage(
        "let one summary break a List for all",
        "service.runtime.poller",
        "                looks.create_task(self._look(look, watches))\n",
        "                looks.create_task(look())  # type: ignore[arg-type]\n",
        "Nothing of that kind is looked at any more.",
        "tests/runtime/test_unforeseen.py::test_a_summary_that_breaks_the_service_hides_no_other",
    ),
    Sabotage(
        "let what belongs to no job end the process",
        "service.runtime.assignment",
        "        except* Exception as errors:\n",
        "        except* ZeroDivisionError as errors:\n",
        "A defect met in one partition kills each process that takes it over: no tenant is served.",
        "tests/runtime/test_unforeseen.py::test_what_belongs_to_no_job_halts_one_partition",
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
    Sabotage(
        "let a Deny pass that cannot be evaluated",
        "sandbox.policy_language",
        'if any(effect != "Allow" and verdict is not False for effect, verdict in verdicts):',
        'if any(effect != "Allow" and verdict is True for effect, verdict in verdicts):',
        "The sandbox starts a job that AWS refuses; a policy is found out to be too narrow only in production.",
        "tests/sandbox/test_policy_language.py::test_a_deny_that_holds_or_cannot_be_evaluated_refuses",
    ),
    Sabotage(
        "read Parquet by what its writer noted for Arrow",
        "sandbox.formats.parquet",
        "pa.BufferReader(_without_note(body))",
        "pa.BufferReader(body)",
        "Training data of pandas and polars that AWS reads fail in the sandbox.",
        "tests/sandbox/formats/test_parquet.py::test_types_are_the_files_own",
    ),
    Sabotage(
        "take quotes for quotes where they are text",
        "sandbox.formats.lazy_simple",
        "    return pc.split_pattern(lines, by).cast(pa.large_list(pa.large_string()))",
        "    return pc.split_pattern(pc.replace_substring(lines, '\"', ''), by).cast(pa.large_list(pa.large_string()))",
        "Ids lose their quotes: the sandbox finds users of a seed whom AWS does not find.",
        "tests/sandbox/formats/test_lazy_simple.py::test_cells",
    ),
    Sabotage(
        "keep ids as strings that end at a zero",
        "sandbox.model_files",
        "    return np.array(users, dtype=np.dtypes.StringDType())",
        "    return np.array(users, dtype=np.str_)",
        "Two users are taken for one, in silence.",
        "tests/sandbox/test_training_data.py::test_ids_that_differ_in_a_last_zero_stay_apart_in_files",
    ),
)
