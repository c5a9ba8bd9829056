"""Imported before matplotlib, so that its list of fonts is kept in the cache folder of enas and not in the home folder.

Nothing is changed for those who have told matplotlib where to look, or have imported it already.
"""

import os
import sys
from contextlib import suppress

from enas.cache_folder import cache_folder
from enas.errors import RunError

if "matplotlib" not in sys.modules and "MPLCONFIGDIR" not in os.environ:
    with suppress(RunError):  # without a home folder matplotlib takes a temporary one
        os.environ["MPLCONFIGDIR"] = str(cache_folder() / "matplotlib")
