"""Load: many calls placed at once, what a server makes of them, and a verdict.

`load` says when calls are placed, `speech` what they say, `caller` is one of them, `meter` watches it, `generator`
drives them in one process and `processes` in several. `figures` is what is counted, `result` the outcome by its names,
`verdict` judges it. Nothing up to `caller` needs an event loop.
"""
