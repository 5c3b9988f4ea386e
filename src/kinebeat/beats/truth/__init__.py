"""Truth to learn beats from: motion capture whose accents lie on a grid, seen through cameras and detectors."""
