"""``python -m service``; the command line is :mod:`service.cli.entry`."""

from service.cli.entry import main

if __name__ == "__main__":
    main()
