"""The command line: hingemetrics PREDS TARGET.

From the top down:

- run: from arguments to the exit status
- arguments, report: what goes in and what comes out, as text
- breakdown, merging, gate, outputs: what is done with rows, states, the loss and files to write
- console: the streams of the process
"""

from hingemetrics.cli.run import main

__all__ = ["main"]
