"""VisBeatNet: visual beats before they happen (InteractiveBeat 3.1.2)."""
