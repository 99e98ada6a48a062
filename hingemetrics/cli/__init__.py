"""The command line: hingemetrics PREDS TARGET.

From the top down:

- run: from the arguments to the exit status
- arguments, report: input and output, as text
- breakdown, merging, gate, outputs: the work on rows, states, the loss and the files to write
- console: the standard streams
"""

from hingemetrics.cli.run import main

__all__ = ["main"]
