"""The command line: one program, one file per verb. `main.py` finds the verb; what a verb does lies in the other rooms."""
