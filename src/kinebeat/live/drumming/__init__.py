"""DrumGenNet and the drum notes of Mono (InteractiveBeat 3.3 and 4.5): drums for the next beat."""
