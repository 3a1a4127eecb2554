"""One perturbation for any clip: fitted, kept on disk, applied."""
