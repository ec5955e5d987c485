"""The Log port on Kafka, through aiokafka; no decision of the business belongs here.

``log.py`` joins the parts. ``group.py`` is the membership and ``delivery.py`` what it delivers; ``partition.py`` is one
exclusively owned partition, ``producer.py`` its transactions, ``changelog.py`` and ``offsets.py`` what is read after
the fence; ``topics.py`` creates and verifies topics. ``deadlines.py`` and ``closing.py`` hold what aiokafka lacks: a
limit in time for every call.
"""
