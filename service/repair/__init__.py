"""What an operator mends: parked commands, differences between changelog and AWS, lost and corrupt changelogs.

``reading`` reads topics and ``ledger`` folds changelogs; ``sending`` sends commands as any publisher does, ``writing``
writes changelogs under the fence of their shard. ``differences`` and ``rebuilding`` decide and are pure; ``survey``
asks AWS. ``screen`` speaks with people, ``parked``, ``reconcile``, ``backfill`` and ``skipping`` are the command lines.
"""
