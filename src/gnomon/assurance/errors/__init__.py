"""Where a network errs: slices, confident errors, calibration, and what it makes of what it never saw."""
