"""Who watches a call: figures, digits in its sound, speech, its capture."""
