"""The version of the package, where setup.cfg reads it without an import."""

__version__ = "0.1.0"
