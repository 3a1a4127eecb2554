"""``python -m voiceattack``."""

import sys

from voiceattack.cli import main

sys.exit(main())
