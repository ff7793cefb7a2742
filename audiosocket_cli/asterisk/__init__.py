"""What Asterisk really does with AudioSocket: facts, rules, findings with their cures, and the dialplan.

Facts come from Asterisk's C source (release tags 18.0.0 to 23.4.1) and from calls placed with a live 22.10. Code that
talks to Asterisk, or stands in for it, takes its numbers and its judgements from here.
"""
