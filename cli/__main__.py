"""`python -m cli`: the `betrace` command without its script."""

from cli.main import main

main()
