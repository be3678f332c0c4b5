"""The commands `tierfleet` and `kubectl tierfleet`: options in, sentences out.

A file per command; each imports what it runs only when it runs, so that `--help` works whichever
extras are installed.
"""
