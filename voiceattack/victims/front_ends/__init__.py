"""What networks take of a sound, one file a kind, in differentiable torch: waveforms or filter banks."""
