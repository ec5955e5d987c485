"""Which rights in Kafka each component needs, and no more: derived from the settings, printed for several tools.

``rules`` says who needs what and why, ``formats`` writes it down for Kafka's own tool, Strimzi and MSK's IAM, and
``commands`` is the command line. `tests/acceptance/test_acls.py` proves on a real Kafka that the list is enough, and
that nothing in it can be left out.
"""

from service.operator.access.kafka_acls import COMPONENTS, Acl, acls

__all__ = ["COMPONENTS", "Acl", "acls"]
