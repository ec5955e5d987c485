"""``python -m helm``: writes the chart's generated files."""

from helm.documents import documents


def main() -> None:
    """Writes them."""
    for path, text in documents().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
