"""`python3 -m altpeter_matrix`."""

from altpeter_matrix.cli.main import main

if __name__ == "__main__":
    main()
