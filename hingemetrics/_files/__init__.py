"""Files as blocks of rows, never read whole: .npy, .npz, CSV, Parquet and Arrow.

A file is a stream of chunks, of whatever length suits its format; streams are cut at each other's
ends into blocks. Where blocks end changes no bit of a loss, so nothing is ever copied to fit.
What a file holds is not trusted: memory is bounded by what a chunk may take, whatever a header
declares, and every refusal names the file and the place in it. What may be taken is a block of
predictions, but for Arrow a whole record batch of the columns read, where batches are compressed.

From the top down:

- blocks: all arguments together, block by block
- npy, csv (over decimals), arrow: one file as chunks
- columns: which files and columns an argument names
- refusals: the class and the words of errors
"""

from hingemetrics._files.blocks import Block, Blocks, Source, blocks, row_count
from hingemetrics._files.columns import Columns, columns, columns_of, paths_of
from hingemetrics._files.refusals import STDIN, TableError

__all__ = [
    "STDIN",
    "Block",
    "Blocks",
    "Columns",
    "Source",
    "TableError",
    "blocks",
    "columns",
    "columns_of",
    "paths_of",
    "row_count",
]
