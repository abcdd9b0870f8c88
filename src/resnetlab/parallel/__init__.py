"""Many processes that make one run: who they are, what they say to each other, how they start and end.

Imports no torch until a process joins others.
"""
