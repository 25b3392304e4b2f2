"""`python -m tandem`."""

from tandem.cli.app import main

if __name__ == "__main__":
    main()
