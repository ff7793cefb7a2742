"""One file per subcommand: its options, its help, one call into a feature, and the result printed."""
