"""RhythmicNet's Video2Rhythm made causal: the heavy baseline of visual beats (InteractiveBeat 4.4)."""
