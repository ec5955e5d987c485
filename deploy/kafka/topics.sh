#!/bin/sh
# Made by `make render`; see deploy/render.py.
# Creates what is missing, leaves what exists; `python -m service topics` does the same, and verifies.
set -eu
: "${BOOTSTRAP:?host:port of a broker}"
REPLICATION="${REPLICATION:-3}"
create() {
  kafka-topics.sh --bootstrap-server "$BOOTSTRAP" ${COMMAND_CONFIG:+--command-config "$COMMAND_CONFIG"} \
    --create --if-not-exists --replication-factor "$REPLICATION" "$@"
}

create --topic cleanroomsml.commands --partitions 8 \
  --config min.insync.replicas=2 \
  --config cleanup.policy=delete \
  --config retention.ms=604800000 \
  --config max.message.bytes=1114112 \
  --config message.timestamp.type=LogAppendTime \
  --config unclean.leader.election.enable=false \
  --config compression.type=uncompressed
create --topic cleanroomsml.jobs --partitions 8 \
  --config min.insync.replicas=2 \
  --config cleanup.policy=compact \
  --config segment.bytes=67108864 \
  --config segment.ms=21600000 \
  --config min.cleanable.dirty.ratio=0.2 \
  --config max.compaction.lag.ms=86400000 \
  --config delete.retention.ms=86400000 \
  --config max.message.bytes=2162688 \
  --config message.timestamp.type=LogAppendTime \
  --config unclean.leader.election.enable=false
create --topic cleanroomsml.changes --partitions 8 \
  --config min.insync.replicas=2 \
  --config cleanup.policy=delete \
  --config retention.ms=604800000 \
  --config max.message.bytes=2162688 \
  --config message.timestamp.type=LogAppendTime \
  --config unclean.leader.election.enable=false
create --topic cleanroomsml.resources --partitions 8 \
  --config min.insync.replicas=2 \
  --config cleanup.policy=compact \
  --config segment.bytes=67108864 \
  --config segment.ms=21600000 \
  --config min.cleanable.dirty.ratio=0.2 \
  --config max.compaction.lag.ms=86400000 \
  --config delete.retention.ms=86400000 \
  --config max.message.bytes=2162688 \
  --config message.timestamp.type=LogAppendTime \
  --config unclean.leader.election.enable=false
create --topic cleanroomsml.dead-letters --partitions 8 \
  --config min.insync.replicas=2 \
  --config cleanup.policy=delete \
  --config retention.ms=604800000 \
  --config max.message.bytes=2162688 \
  --config message.timestamp.type=LogAppendTime \
  --config unclean.leader.election.enable=false
create --topic cleanroomsml.events --partitions 8 \
  --config min.insync.replicas=2 \
  --config cleanup.policy=delete \
  --config retention.ms=604800000 \
  --config max.message.bytes=2162688 \
  --config message.timestamp.type=LogAppendTime \
  --config unclean.leader.election.enable=false
create --topic cleanroomsml.replies --partitions 8 \
  --config min.insync.replicas=2 \
  --config cleanup.policy=delete \
  --config retention.ms=604800000 \
  --config max.message.bytes=2162688 \
  --config message.timestamp.type=LogAppendTime \
  --config unclean.leader.election.enable=false
