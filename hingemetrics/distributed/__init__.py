"""The hinge loss of data spread over many processes or machines, with Dask and Spark.

These engines distribute the work: each block of rows becomes a state where it lies, states are
added in a tree, and one small state comes back. Sums are exact, so no bit depends on how rows are
spread, on which worker did what, or on what had to be repeated. No arithmetic is done here.
"""

from hingemetrics.distributed.dask import dask_hinge_loss, dask_hinge_state
from hingemetrics.distributed.spark import spark_hinge_loss, spark_hinge_state

__all__ = ["dask_hinge_loss", "dask_hinge_state", "spark_hinge_loss", "spark_hinge_state"]

for _function in (dask_hinge_loss, dask_hinge_state, spark_hinge_loss, spark_hinge_state):
    _function.__module__ = __name__  # pickles then use the public path
