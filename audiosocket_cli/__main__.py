"""`python -m audiosocket_cli`."""

from audiosocket_cli.cli import main

main()
