"""The section of the reference about chains, with an example."""

import json
from typing import Final

from schemas.chains import MAX_PREDECESSORS
from schemas.docs import examples
from schemas.references import PREFIX

_TEXT: Final = f"""\
## Chains

A whole campaign can be sent at once. Wherever a member takes the ARN of a resource that a command can make,
`{PREFIX}<id>` may stand instead: what the command with this id makes, or what a `TrackResource` watches. The attribute
`ce_after` adds order without data.

- Both commands have the same `ce_source` and the same record key, which is not empty, and the one that is named was
  sent before. If it is not known in the partition, the command is `rejected` with `UnknownPredecessor`; if it makes
  something else than the member takes, with `PredecessorMismatch`.
- Until all that it names has succeeded, the command waits: reply `waiting` with the reason `Predecessor`, and in
  `predecessors` the ids that have not. The reply comes again each time that these become fewer. `ce_deadline`,
  `ce_notbefore`, `ce_priority` and `CancelCommand` mean what they mean for any command that waits.
- Then what was made is put in, and the request is judged as a new one is: a breach is `failed`, with the violations.
  `started` and `succeeded` have in `request` the members that were put in, as they were sent to AWS.
- If one that it names failed, was rejected or was cancelled, the command is `failed` with `PredecessorFailed`, and so
  is each that names it. One that is parked keeps it waiting until a person has resolved it.
- What has ended within the retention counts as ended. A command that is sent again is compared as it was sent, with its
  references. If it was deleted since, AWS says so.
- A command that waits has no position in the order of its key: later commands of the key go first, unless they name it.
- A command names at most {MAX_PREDECESSORS} others.

Six commands with the record key `{examples.CHAIN_KEY}`, sent one after the other without waiting:

```json
"""


def section() -> str:
    """The section."""
    return _TEXT + "\n".join(json.dumps(each) for each in examples.chain()) + "\n```"
