"""Why does it not work? Each module looks at one thing, and says what it found: a `Diagnosis` for each."""
