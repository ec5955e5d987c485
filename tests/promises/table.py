"""The promises, and by name what proves each: tests, the simulator's oracles, rows of the fault matrix, sabotages."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Promise:
    """One promise.

    Attributes:
        title: In a few words.
        text: What is promised, and where its limits are.
        tests: Of `make test`, as pytest names them.
        oracles: Words by which the simulator reports a violation.
        faults: Numbers of rows of the fault matrix.
        sabotages: Names of guards that are removed one at a time.
    """

    title: str
    text: str
    tests: tuple[str, ...]
    oracles: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    sabotages: tuple[str, ...] = field(default=())


PROMISES = (
    Promise(
        "Never a second creation",
        "One command makes one resource at AWS, whatever is lost, late, slow or restarted. A call leaves only "
        "within `call_window` after the commit of its intent, and only two empty searches after `settle` permit a "
        "repeat.",
        (
            "tests/core/test_simulation.py::test_nothing_twice_nothing_stuck_nothing_untrue",
            "tests/runtime/test_crash.py::test_after_the_call_and_before_its_outcome_is_known",
            "tests/acceptance/test_crashes.py::test_killed_while_the_reply_is_on_its_way",
        ),
        ("was carried out twice for one command", "leaves before its intent is durable", "s after its intent"),
        ("3", "4", "7", "29", "30", "31", "32", "34", "35", "41", "48"),
        (
            "drop law 1: calls leave whenever their turn comes",
            "count the call window from the commit's answer",
            "drop law 2: settle for less than lists lag",
            "a new owner goes on settling where the former one was",
            "a new owner calls at once what the former one may have called",
            "repeat a creation whose answer was lost",
            "retry whatever a person wants retried",
            "believe a code of ours from AWS",
            "believe the code of a server that fails",
            "forget that AWS has taken an export",
            "act before the commit",
            "adopt what carries a marker that begins alike",
            "repeat after one empty list in pages",
            "write a request twice",
            "let botocore and the transport try again",
            "do not look for a command in other partitions",
            "do not report a command that two partitions have accepted",
            "publish with librdkafka's own partitioner",
        ),
    ),
    Promise(
        "Clocks decide nothing twice",
        "Waiting, settling, polling and retries run on a clock that never steps and counts suspends. A wall clock "
        "that is wrong by hours or days, in a running process or in one that starts, repeats nothing, forgets "
        "nothing early and stops nothing for good.",
        ("tests/runtime/test_clocks.py::test_steps_of_the_wall_clock_change_nothing",),
        ("is forgotten",),
        ("39a", "39b", "45a", "45b", "45c", "45d", "45e"),
        (
            "settle by the wall clock",
            "poll by the wall clock",
            "back off and search by the wall clock",
            "forget by the owner's time alone",
            "forget by Kafka's time alone",
            "count a resolved command's retention from its first end",
            "count the life of a Kafka token by the wall clock",
            "measure on a clock that stops during a suspend",
            "count a retention from an owner's clock alone",
            "do not count a person's decision as a new end",
        ),
    ),
    Promise(
        "Nothing is issued after its deadline",
        "A command that waits, for whatever reason, is failed with `DeadlineExceeded` when its deadline passes; the "
        "deadline is checked once more when the request is written. Nothing is issued before its `notbefore`.",
        ("tests/runtime/test_clocks.py::test_whoever_waits_hears_of_its_deadline_in_time",),
        ("s after its deadline", "s before its time"),
        (),
        (
            "do not look at the deadline when the request is written",
            "judge deadlines by the wall clock alone",
            "watch no deadline of a call that waits",
            "end a call by its deadline although it has left",
        ),
    ),
    Promise(
        "Exactly once between Kafka topics",
        "A command's consumed offset, its state, replies and changes are committed together. A restart, a "
        "rebalance, a lost or torn transaction neither repeats nor loses any of them.",
        (
            "tests/contract/test_log.py::test_a_commit_is_atomic_and_moves_the_offset",
            "tests/runtime/test_intake.py::test_a_duplicate_after_the_end_gets_the_terminal_reply_again",
        ),
        ("is told twice", "after its end", "memory differs from its changelog"),
        (
            *("1", "2", "5", "6", "8", "8s", "9", "10", "12", "13", "14a", "14b", "14c", "15", "16a", "16b", "17a"),
            *("17b", "18", "19a", "19b", "20a", "20b", "21", "22", "23", "28a", "28b", "44"),
        ),
        (
            "commit without awaiting what was sent",
            "send a lost transactional request again",
            "commit offsets apart from the transaction",
            "restore to the last stable offset",
            "answer a known id whatever the content",
            "take a known id for a new command",
            "forget changes as early as reads",
            "know commands by their id alone",
            "store what can't be read",
        ),
    ),
    Promise(
        "One owner of a partition",
        "A partition has one committer. A process that was away is fenced, and comes back only through a new "
        "assignment.",
        (
            "tests/runtime/test_ownership.py::test_who_was_fenced_opens_nothing_by_itself",
            "tests/contract/test_log.py::test_a_second_open_fences_the_first",
        ),
        ("again without having been assigned it again", "is opened again and again"),
        ("11",),
        (
            "re-initialise after being fenced",
            "take a kept partition for one's own without a commit",
            "tell of a shard's end before it is forgotten",
            "open partitions while stopping",
            "skip the fence: a producer id of one's own for each owner",
            "open a halted partition without asking whose it is",
        ),
    ),
    Promise(
        "Offsets, changelog and topics agree, or the partition halts",
        "A lost group offset is recovered from the changelog. A changelog, offset or topic that contradicts the "
        "others halts its partition with the reason and the command that repairs it; nothing is read again from "
        "the beginning.",
        (
            "tests/runtime/test_positions.py::test_a_lost_offset_is_recovered_from_the_changelog",
            "tests/runtime/test_positions.py::test_a_changelog_that_was_made_anew_halts",
            "tests/runtime/test_positions.py::test_a_changelog_that_was_made_anew_under_its_shard_halts_the_next_one",
            "tests/runtime/test_positions.py::test_a_topic_that_is_replaced_under_a_running_shard_halts_it_soon",
            "tests/contract/test_log.py::test_a_changelog_that_loses_its_beginning_before_it_is_read_is_not_read",
        ),
        ("records another position than it commits", "goes back from"),
        ("24", "25", "42a", "42b", "43", "50"),
        (
            "reset the offset automatically",
            "take an offset that was set back, or is stale, for the truth",
            "begin at the beginning beside a changelog that is not empty",
            "do not record positions",
            "go on beside a changelog that was lost",
            "go on although the beginning of the changelog was deleted",
            "go on with a changelog that has no position and no beginning",
            "take a changelog that was made anew under its shard for the old one",
            "record the position only with what is consumed",
            "read a changelog from wherever it begins by now",
            "look at topics only when a partition is opened",
            "take a topic that was made anew for the old one",
            "take over another group's changelog",
            "serve on brokers that are too old",
            "use a copy of a changelog that was made anew",
            "take records that were meant for a predecessor",
            "skip a corrupt changelog record",
        ),
    ),
    Promise(
        "Bad input never blocks a partition",
        "Whatever a publisher writes within Kafka's limits has an outcome: a rejection, a dead letter, or both. "
        "No input makes a record that cannot be written. No publisher closes a partition for others.",
        (
            "tests/badinput/test_sizes.py::test_a_mebibyte_in_any_place_leaves_the_partition_running",
            "tests/badinput/test_properties.py::test_the_decoder_has_an_outcome_for_everything",
            "tests/acceptance/test_lowered_limits.py::test_what_fits_is_written_and_the_record_that_does_not_is_named",
            "tests/runtime/test_load.py::test_what_asks_to_wait_closes_no_partition",
            "tests/runtime/test_load.py::test_refused_commands_and_reads_are_remembered_as_far_as_there_is_room",
            "tests/runtime/test_load.py::test_a_held_command_closes_no_partition",
            "tests/runtime/test_load.py::test_a_target_that_throttles_for_good_closes_no_partition",
        ),
        ("is opened again and again",),
        ("26", "27", "46", "51"),
        (
            "report a member's name of any length",
            "report all violations however many bytes they have",
            "let a record of any size into a batch",
            "forget that a topic refused a record",
            "blame the largest record of a batch for the batch's size",
            "send as many records together as a topic has refused",
            "do not ask for the limit of a topic that refuses a record",
            "halve a limit that is known",
            "take all that waits into one transaction",
            "hold large records in memory until there are many",
            "take dates that UTC does not have",
            "send replies to a topic that is missing",
            "count what waits as what can be called",
            "accept waiting commands without a limit",
            "keep whole replies for duplicates",
            "hold what has ended as objects",
            "count what was forgotten as remembered",
            "remember every refused command for the retention",
            "make room after a restore with the next command only",
            "remember changes of any number",
            "delete by cancellation however much is remembered",
            "let one source take all that can be remembered",
            "count a held command as one that can be called",
            "count a job with which nothing can be done as one that can be called",
            "let the first source take all the room",
            "pause for what stands behind a waiting command",
            "pause delivery for a target that is throttled for good",
            "look at a paused delivery only after a commit",
            "take the first throttles for an outage",
            "pause delivery for calls that commits are too slow for",
            "remember an end that was undone",
            "forget which reply topic has refused",
            "halt for a reply topic as for one of the service's own",
            "carry on a trace context of any form",
            "reject a command for its trace context",
            "take the last of several tracestate headers",
            "replay a dead letter that has no content",
            "take a commands topic with records of any size",
        ),
    ),
    Promise(
        "One job, record or answer can hurt only itself",
        "A job that names what a replica does not know is held and reported; `check`, and each replica when it starts, "
        "report what a removed tenant has left open. Whatever raises unexpectedly ends, "
        "parks or holds the one job concerned.",
        (
            "tests/runtime/test_unforeseen.py::test_one_job_breaks_nothing_else",
            "tests/runtime/test_held.py::test_a_job_of_a_removed_target_is_held_and_goes_on_when_the_target_is_back",
            "tests/runtime/test_tenants.py"
            "::test_the_jobs_of_a_removed_tenant_stay_as_they_are_and_go_on_when_it_is_back",
            "tests/runtime/test_held.py::test_an_end_that_an_older_release_did_not_know_is_seen_by_the_next",
        ),
        ("and was accepted for",),
        ("40", "49"),
        (
            "serve a job whatever it names",
            "take another group's topics for those of a removed tenant",
            "look for no tenant that was removed",
            "serve a job whatever account its target is",
            "watch from a status that was no end to an older release",
            "take no known status for an end",
            "cancel a held job that a former owner may have called",
            "give a held job its slot",
            "search a whole queue for who leaves it",
            "release the claims of a partition one by one",
            "let a defect in planning out",
            "try for ever what breaks the service",
            "leave half of what a broken record has done",
            "let one summary break a List for all",
            "let what belongs to no job end the process",
            "call every unforeseen exception a lack of credentials",
            "plan a timer that comes after the end of its shard again",
        ),
    ),
    Promise(
        "Equal keys in order",
        "Commands of one topic with equal Kafka keys reach the API in the order of their arrival, over crashes, "
        "restarts and rebalances. A command that waits for its own `notbefore` or for a quota does not hold the "
        "others.",
        ("tests/runtime/test_order.py::test_what_is_searched_for_keeps_its_turn_over_a_restart",),
        ("overtakes", "which was sent later in its key"),
        (),
        (
            "line up only who may call, and not who is searched for or tried again later",
            "line up in the order of the changelog",
            "hold the line for a start time",
        ),
    ),
    Promise(
        "Cancelling and resolving",
        "A deletion is of the resource that was asked for, at the account where it was made. A cancellation "
        "respects its own times and rights, and always has an answer.",
        ("tests/runtime/test_cancel.py::test_a_deletion_is_of_that_resource_at_its_target_whenever_processes_crash",),
        ("did not ask for",),
        (),
        (
            "delete at the cancellation's own target",
            "treat a parked command as one that made nothing",
            "know nothing of what was given up",
            "carry a cancellation out whatever its times say",
            "delete without the right to delete",
            "adopt an ARN of another account",
            "let a commit open the window of a call that it has cancelled",
        ),
    ),
    Promise(
        "Every command ends, and the end is what happened",
        "Each command that can be identified gets one terminal reply. What cannot be found out is parked within a "
        "stated time. An answer of AWS that is wrong is an outcome, not a crash.",
        (
            "tests/core/test_lost.py::test_a_search_that_always_fails_ends_for_a_person",
            "tests/runtime/test_answers.py::test_a_deletion_that_fails_again_at_once_ends",
            "tests/runtime/test_searches.py::test_a_write_that_was_performed_and_whose_repeat_is_refused_has_succeeded",
            "tests/runtime/test_searches.py::test_a_search_that_never_ends_is_parked_within_the_stated_time",
            "tests/runtime/test_searches.py::test_a_conditional_write_that_a_read_lags_behind_has_succeeded",
            "tests/runtime/test_answers.py::test_one_wrong_status_is_not_believed_for_ever",
            "tests/runtime/test_answers.py::test_a_status_that_is_not_known_and_stays_is_for_a_person",
            "tests/runtime/test_load.py::test_a_quota_that_is_full_for_good_ends_a_command_unless_known_jobs_use_it",
        ),
        ("and nothing was unclear", "and it was performed", "without a stated reason"),
        ("33", "37c", "38", "47a"),
        (
            "search without an end",
            "repeat a lost creation without an end",
            "take the refusal of a repeat for the whole outcome",
            "count what two pages show as two",
            "follow a token that came before",
            "take any JSON for an answer",
            "read an answer however long it is",
            "read what gives credentials however long it is",
            "join the pages of a List however long they are",
            "publish a status of a removal only the first time",
            "clean values and not names",
            "clean messages and not codes",
            "wait for a status that was passed",
            "look in vain for ever",
            "confirm an absence at the usual pace",
            "leave a switch armed behind its fault",
            "look in one way only: Get",
            "look in one way only: Get after List",
            "look in one way only: List",
            "blame a look that was never tried",
            "add up outages over take-overs",
            "count waiting for a slot as trying",
            "renew without a rest what commits are too slow for",
            "a new owner goes on with the former one's limits",
            "call a write failed whose effect another one may have overwritten",
            "count only the waits between searches",
            "read a List for however long it takes",
            "list again and again what can't be listed",
            "give up a deletion that AWS did not find",
            "ignore for ever a status that was left behind",
            "tell once a status that was left behind",
            "follow for ever a status that nobody knows",
            "wait for ever for a quota that AWS says is full",
            "fail behind a slot that known jobs use",
            "let calls explain each other's full quota",
            "queue a read",
            "try a full quota as often as ever",
            "delete again what may have come back",
            "fail a conditional write by a read that lags behind",
        ),
    ),
    Promise(
        "Events tell the truth, without gaps",
        "A resource's events are in order and numbered from 1 without gaps; no event id is used twice. A status "
        "that was published was seen, and `deleted` is published only when the resource is gone.",
        (
            "tests/runtime/test_batch.py::test_sequences_are_counted_over_batches_and_within_one",
            "tests/runtime/test_answers.py::test_one_answer_that_does_not_find_a_living_job_is_not_its_end",
            "tests/runtime/test_poller.py::test_a_deletion_that_fails_is_no_deletion_whatever_two_looks_miss",
            "tests/runtime/test_searches.py::test_a_repeated_deletion_that_misses_what_is_there_deletes_it",
        ),
        ("has a gap", "forgets a status", "was used before"),
        ("36", "37a", "37b", "47b"),
        (
            "number events without what was restored",
            "take one absence for the end",
            "take a server's failure for an absence",
            "publish what an error quotes",
            "publish what a status quotes",
            "take one absence for the end of a deletion",
            "let a failed deletion explain an absence",
            "take one Get that misses for the outcome of a lost call",
            "take the 404 of a repeated deletion for its end",
            "take a read that lags behind for a way back",
            "publish no way back",
            "call what has no lifecycle an orphan",
            "forget a policy's number after its deletion",
            "keep the numbers of policies and tags for ever",
            "take a second removal for a late read of the first",
        ),
    ),
    Promise(
        "Few calls",
        "One List serves every search of its kind. Searches, publishers' reads and polls have a share of the read "
        "budget each, removals one of the write budget; no other calls can take it. "
        "Calls that hang take no connections from reads.",
        (
            "tests/runtime/test_load.py::test_writes_of_publishers_do_not_starve_a_deletion",
            "tests/runtime/test_searches.py::test_after_a_crash_the_lists_are_few_however_many_creations_are_searched_for",
            "tests/runtime/test_searches.py::test_reads_of_publishers_do_not_starve_polls",
        ),
        (),
        (),
        (
            "list for each search",
            "let reads go before polls",
            "let reads and writes share their connections",
            "look at nothing else while a look hangs",
            "look again while a look hangs",
            "look again and again while an absence has yet to last",
            "recognise throttling by the HTTP status only",
            "let creations go before removals",
        ),
    ),
    Promise(
        "Settings and published rules are what runs",
        "Targets are called at the addresses that the settings give, and nowhere else. The machine's environment, "
        "files and models change neither that nor the rules by which commands are checked. With the default settings, "
        "data that the published schema of a command accepts is not rejected for its shape, but for what "
        '`docs/reference/README.md` lists under "What no schema says".',
        (
            "tests/adapters/test_aws_addresses.py::test_clients_go_where_the_settings_say",
            "tests/adapters/test_settings_environment.py::test_a_key_twice_is_refused",
            "tests/schemas/test_published_schemas.py::test_what_the_schema_accepts_is_not_rejected_and_back",
            "tests/schemas/test_published_schemas.py::test_a_rule_taken_out_of_the_schema_is_missed",
            "tests/schemas/test_corrections.py::test_the_service_of_that_time_refused_each_value",
        ),
        (),
        (),
        (
            "read the API's model from the machine",
            "apply assumed rules although `rules.assumed` is off",
            "publish what the model says, without the rules",
            "publish the model's limit of a description",
            "publish patterns that end before a last line break",
            "let any keyword pass the compatibility gate",
            "let a correction cover any value",
            "let an operator's defaults override the command",
            "follow the environment's endpoints",
            "show a pod's token to any address",
            "show a single sign-on to any address",
            "permit plain http for the credentials of MSK",
            "let a header that can't be written through the gate",
            "forget a tenant of whom only blank variables are set",
            "let the last of two equal keys win",
            "take an empty bundle of certificates as it is",
        ),
    ),
    Promise(
        "The sandbox is an oracle",
        "It reads data and policies as AWS documents them, and fails closed where it cannot.",
        ("tests/sandbox/test_policy_language.py::test_a_deny_that_holds_or_cannot_be_evaluated_refuses",),
        (),
        (),
        (
            "sign the query as it came",
            "let a Deny pass that cannot be evaluated",
            "let a NotPrincipal exempt whom nobody knows",
            "read Parquet by what its writer noted for Arrow",
            "take quotes for quotes where they are text",
            "take a partition's value from above the table",
            "keep ids as strings that end at a zero",
        ),
    ),
)
