"""The problems that the service reports: a name for metrics and alerts, and a sentence for the log.

A name that ends with ``_error`` means a defect of the service: an exception that no code expects. docs/howto/operate.md
says of each problem what it means and what to do.
"""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

Problem: TypeAlias = Literal[
    "assignment_error",
    "call_error",
    "call_window_missed",
    "command_on_two_partitions",
    "dead_letter_omitted",
    "instance_id_conflict",
    "jobs_held",
    "observation_error",
    "offset_corrected",
    "planning_error",
    "poll_error",
    "poll_failed",
    "record_error",
    "record_shortened",
    "reply_topic_missing",
    "reply_topic_refused",
    "service_command_error",
    "shard_closed_dirty",
    "shard_halted",
    "shared_list_unreadable",
    "standby_error",
    "stop_timeout",
    "target_unanswered",
    "telemetry_error",
]
"""The closed set of names; mypy compares every call of :meth:`service.runtime.ports.Telemetry.problem` with it."""

PROBLEMS: Final[Mapping[Problem, str]] = {
    "assignment_error": "unexpected error while partitions were assigned or paused",
    "call_error": "unexpected error during a call or a search",
    "call_window_missed": "calls are delayed: commits or connections take longer than timing.call_window",
    "command_on_two_partitions": (
        "the same command was sent to two partitions; its publisher needs the partitioner murmur2_random"
    ),
    "dead_letter_omitted": "a record is too large for a dead letter; only its position, size and hash are kept",
    "instance_id_conflict": "another process uses this instance id; this process has given up its partitions",
    "jobs_held": "jobs are held: they use a name that this process does not know",
    "observation_error": "unexpected error while applying an observation to a job",
    "offset_corrected": "the group's offset differs from the changelog's position; continued from the changelog's",
    "planning_error": "unexpected error while planning a job's next activity",
    "poll_error": "unexpected error while polling",
    "poll_failed": "a poll failed; it will be repeated",
    "record_error": "unexpected error while processing a record; it is now a dead letter",
    "record_shortened": "an outgoing record was too large and was shortened",
    "reply_topic_missing": "a reply topic does not exist; its replies go to the default topic",
    "reply_topic_refused": "a reply topic refuses records; its replies go to the default topic",
    "service_command_error": "unexpected error in a CancelCommand or ResolveCommand",
    "shard_closed_dirty": "shard closed dirty; its state will be read again",
    "shard_halted": "shard halted until an operator repairs it; nothing is skipped",
    "shared_list_unreadable": "a shared List can't be read; this replica polls by itself",
    "standby_error": "unexpected error while counting the concurrency slot of a copied job",
    "stop_timeout": "stopping took longer than runtime.stop_deadline; closing dirty, which is safe",
    "target_unanswered": "AWS does not answer at a target, or there are no credentials for it; calls are tried again",
    "telemetry_error": "unexpected error while recording telemetry",
}
"""The sentence that is logged, by name."""
