"""A classifier of drum genres, whose features a Frechet distance between drums is measured in (InteractiveBeat 4.5)."""
