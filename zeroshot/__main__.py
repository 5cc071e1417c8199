"""``python -m zeroshot`` is the command line."""

import sys

from zeroshot.cli import main

sys.exit(main())
