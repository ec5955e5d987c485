"""``python -m service``; the command line is :mod:`service.cli.app`."""

from service.cli.app import main

if __name__ == "__main__":
    main()
