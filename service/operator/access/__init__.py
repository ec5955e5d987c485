"""Which rights in Kafka and AWS the service needs, and no more: derived from the settings, printed for several tools.

`tests/acceptance/test_acls.py` proves on a real Kafka that the list is enough, and that nothing in it can be left out.
"""
