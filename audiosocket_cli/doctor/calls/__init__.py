"""Has Asterisk place test calls, and judges the sound both ways."""
