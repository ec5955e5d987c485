"""``python -m service dlq``: look at dead letters, and send originals back to where they came from.

``letters`` knows what a dead letter is, ``reading`` and ``replaying`` speak with Kafka, ``screen`` with people, and
``commands`` is the command line.
"""
