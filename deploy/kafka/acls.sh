#!/bin/sh
# Made by: python -m service acls --format kafka-acls. May be run again.
set -eu
: "${BOOTSTRAP:?host:port of a broker}"
allow() { kafka-acls.sh --bootstrap-server "$BOOTSTRAP" ${COMMAND_CONFIG:+--command-config "$COMMAND_CONFIG"} --add --force "$@"; }

# service
allow --allow-principal User:cleanroomsml-service --operation Read --operation DescribeConfigs --topic cleanroomsml.commands
allow --allow-principal User:cleanroomsml-service --operation Read --operation Write --operation DescribeConfigs --topic cleanroomsml.jobs --topic cleanroomsml.changes --topic cleanroomsml.resources
allow --allow-principal User:cleanroomsml-service --operation Write --operation DescribeConfigs --topic cleanroomsml.dead-letters --topic cleanroomsml.events --topic cleanroomsml.replies
allow --allow-principal User:cleanroomsml-service --operation Read --group cleanroomsml-service
allow --allow-principal User:cleanroomsml-service --operation Write --transactional-id cleanroomsml-service- --resource-pattern-type prefixed

# topics
allow --allow-principal User:cleanroomsml-topics --operation Create --operation Describe --operation DescribeConfigs --topic cleanroomsml.commands --topic cleanroomsml.jobs --topic cleanroomsml.changes --topic cleanroomsml.resources --topic cleanroomsml.dead-letters --topic cleanroomsml.events --topic cleanroomsml.replies

# dlq
allow --allow-principal User:cleanroomsml-dlq --operation Read --topic cleanroomsml.dead-letters
allow --allow-principal User:cleanroomsml-dlq --operation Write --topic cleanroomsml.commands

# repair
allow --allow-principal User:cleanroomsml-repair --operation Read --operation Write --operation DescribeConfigs --topic cleanroomsml.commands
allow --allow-principal User:cleanroomsml-repair --operation Read --operation Write --operation Create --operation DescribeConfigs --topic cleanroomsml.jobs --topic cleanroomsml.resources
allow --allow-principal User:cleanroomsml-repair --operation Describe --operation DescribeConfigs --topic cleanroomsml.changes
allow --allow-principal User:cleanroomsml-repair --operation Read --operation DescribeConfigs --topic cleanroomsml.dead-letters --topic cleanroomsml.events --topic cleanroomsml.replies
allow --allow-principal User:cleanroomsml-repair --operation Read --group cleanroomsml-service
allow --allow-principal User:cleanroomsml-repair --operation Write --transactional-id cleanroomsml-service- --resource-pattern-type prefixed

# publisher
allow --allow-principal User:cleanroomsml-publisher --operation Write --topic cleanroomsml.commands

# subscriber
allow --allow-principal User:cleanroomsml-subscriber --operation Read --topic cleanroomsml.replies --topic cleanroomsml.events
allow --allow-principal User:cleanroomsml-subscriber --operation Read --group cleanroomsml-subscriber --resource-pattern-type prefixed

# client
allow --allow-principal User:cleanroomsml-client --operation Write --topic cleanroomsml.commands
allow --allow-principal User:cleanroomsml-client --operation Read --topic cleanroomsml.replies --topic cleanroomsml.events
