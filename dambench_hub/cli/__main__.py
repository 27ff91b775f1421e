"""`python -m dambench_hub.cli` is the command dambench."""

from dambench_hub.cli.commands import main

if __name__ == "__main__":
    main()
