"""``python -m bridge.cli``, if the command is not in the path."""

from bridge.cli import main

if __name__ == "__main__":
    main()
