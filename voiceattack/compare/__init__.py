"""Two runs compared clip by clip: differences with intervals, rules for CI, and baselines kept on purpose."""
