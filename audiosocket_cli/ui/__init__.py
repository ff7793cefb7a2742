"""How events and results look: on a terminal, in a log, as JSON. It reads what the features hold and never drives."""
