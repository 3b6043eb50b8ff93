"""`python3 -m altpeter_matrix`."""

from .cli import main

if __name__ == "__main__":
    main()
