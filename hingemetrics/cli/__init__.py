"""The command line: hingemetrics PREDS TARGET.

From the top down:

- run: from the arguments to the exit status
- arguments: the options, and what they name
- merging, baseline: states that are read, and the baseline that is written
- formats: the report as text, JSON, Markdown and JUnit XML
- report: what was found, and what the gates say of it
- gate, increase: the gates, with a verdict on each loss
- breakdown, state_files, outputs: the work on rows, files of states and files to write
- console: the standard streams
"""

from hingemetrics.cli.run import main

__all__ = ["main"]
