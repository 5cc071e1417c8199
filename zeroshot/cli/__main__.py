"""``python -m zeroshot.cli`` is the command line, as ``python -m zeroshot`` is."""

import sys

from zeroshot.cli import main

sys.exit(main())
