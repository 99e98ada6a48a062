"""The command line: hingemetrics PREDS TARGET."""

from hingemetrics.cli.run import main

__all__ = ["main"]
