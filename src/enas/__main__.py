"""``python -m enas`` is the command ``enas``."""

from enas.cli import main

if __name__ == "__main__":
    main()
