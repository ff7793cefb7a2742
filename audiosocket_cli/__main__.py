"""`python -m audiosocket_cli`."""

from audiosocket_cli.entry import main

main()
