"""Hears the music that a musician plays in a silent video (Foley Music, ECCV 2020)."""
