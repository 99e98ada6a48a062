"""Where things are: the repository, the package under test, and what tests share."""

from pathlib import Path

import hingemetrics

TOOLS = Path(__file__).parent
ROOT = TOOLS.parents[1]  # of the repository, or of the unpacked source distribution
EXAMPLES = ROOT / "examples"
PACKAGE = Path(hingemetrics.__file__).parent  # perhaps installed elsewhere
