"""Prints the worn-out words per 1,000 words: ``python -m tests.prose [ROOT] [--list GROUP PREFIX]``."""

import sys
from collections import Counter
from pathlib import Path

from tests.prose import texts, words

GROUPS = {"docs": texts.pages, "messages": texts.messages, "docstrings": texts.docstrings, "comments": texts.comments}


def main(arguments: list[str]) -> None:
    if "--list" in arguments:
        at = arguments.index("--list")
        group, prefix = arguments[at + 1], (arguments[at + 2] if len(arguments) > at + 2 else "")
        for text in GROUPS[group](Path(arguments[0] if at else ".")):
            if text.where.startswith(prefix):
                for word, around in words.found(text.words):
                    sys.stdout.write(f"{text.where}: {word}: ...{around}...\n")
        return
    root = Path(arguments[0] if arguments else ".")
    for group, collect in GROUPS.items():
        found: Counter[str] = Counter()
        total = 0
        for text in collect(root):
            total += words.count(text.words)
            found.update(word for word, _ in words.found(text.words))
        rate = 1000 * found.total() / total
        parts = ", ".join(f"{word} {number}" for word, number in found.most_common())
        sys.stdout.write(f"{group}: {found.total()} in {total} words, {rate:.2f} per 1,000 ({parts})\n")


if __name__ == "__main__":
    main(sys.argv[1:])
