"""Words that this project used with private meanings, or too often, and what to write instead."""

import re
from typing import Final

WORDS: Final[dict[str, tuple[str, str]]] = {
    "look": (r"look(?:s|ed|ing)?(?! up\b|-alike)", "poll, check, search, or see"),
    "mend": (r"mend(?:s|ed|ing)?", "fix, correct, or repair"),
    "tell": (r"(?:tell(?:s|ing)?|told)", "report, say, inform, or show"),
    "anew": (r"anew", "again"),
    "stand still": (r"st(?:and|ands|ood|anding) still", "is halted, is frozen, or waits"),
    "way in": (r"ways? in(?! (?:which|one|two|three)\b)", "credential source, or authentication method"),
    "letter": (
        r"(?<!dead )(?<!dead-)(?<!case )(?<!capital )(?<!with a )letters?(?!,| and digits| or digits| case| of all)",
        "dead letter",
    ),
    "may not": (r"may not", "must not, cannot, or might not"),
    "whoever": (r"whoever", "the process, client or value that is meant"),
    "nobody": (r"(?:nobody|somebody|anybody)", "no process, another client, an operator: the one that is meant"),
    "patience": (r"patience", "retry limit, timeout, or grace period"),
    "place": (r"(?<!in )(?<!take )(?<!takes )places?(?!holder)", "position, location, or topic"),
    "so many": (r"so (?:many|long|often)(?! as\b)(?! that\b)", "the number or the time that is meant"),
    "to be": (r"(?:is|are|was|were) to be", "must be, or should be"),
    "of ours": (r"(?:of (?:ours|theirs)|is ours|are ours|are theirs)", "the plain possessive"),
    "as it must be": (r"as (?:it|they) must be", "misconfigured, or valid"),
}
"""By the word: its pattern, and what to write instead."""

_ALL: Final = re.compile(
    r"\b(?:" + "|".join(f"(?P<w{index}>{pattern})" for index, (pattern, _) in enumerate(WORDS.values())) + r")\b",
    re.IGNORECASE,
)


def found(text: str) -> list[tuple[str, str]]:
    """The worn-out words of a text, each with some words around it."""
    plain = " ".join(text.split())
    names = list(WORDS)
    return [
        (names[int((match.lastgroup or "w0")[1:])], plain[max(0, match.start() - 40) : match.end() + 30])
        for match in _ALL.finditer(plain)
    ]


def count(text: str) -> int:
    """The number of words in a text."""
    return len(re.findall(r"[A-Za-z][A-Za-z'-]*", text))
