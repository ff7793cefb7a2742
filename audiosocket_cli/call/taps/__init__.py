"""The taps of a call: figures, digits in its audio, speech, its capture."""
