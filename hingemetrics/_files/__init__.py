"""Files as blocks of rows, never read whole: .npy, .npz, CSV, Parquet and Arrow.

A file is a stream of chunks, of whatever length suits its format; a block ends wherever a chunk of
any file ends. Where blocks end changes no bit of a loss, so nothing is ever copied to fit. The
content of a file is not trusted: memory is bounded by the size of a chunk, whatever a header
declares, and every error names the file and the place in it. A chunk is at most about a block of
predictions, except that a compressed Arrow file takes a whole record batch of the columns read.

From the top down:

- blocks: all arguments together, block by block
- npy, csv (over decimals), arrow: one file as chunks
- columns: which files and columns an argument names
- refusals: the error class and the wording of errors
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
