"""What a check found."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked.

    Attributes:
        subject: What was checked.
        ok: Whether it is right.
        message: What was found; when it is wrong, what to do about it too.
        differs: It is not as the settings say, and can be used all the same.
    """

    subject: str
    ok: bool
    message: str
    differs: bool = False
