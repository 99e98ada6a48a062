"""The hinge loss of data spread over many processes or machines, with Dask and Spark.

They do the distributing: each block of rows becomes a state where it lies, states are added in a
tree, and one small state comes back. Sums are exact, so no bit depends on how rows are spread, on
who did what, or on what had to be done again. The adapters hold no arithmetic.
"""

from hingemetrics.distributed.dask import dask_hinge_loss, dask_hinge_state
from hingemetrics.distributed.spark import spark_hinge_loss, spark_hinge_state

__all__ = ["dask_hinge_loss", "dask_hinge_state", "spark_hinge_loss", "spark_hinge_state"]

for _function in (dask_hinge_loss, dask_hinge_state, spark_hinge_loss, spark_hinge_state):
    _function.__module__ = __name__  # the public place, which pickles then name
