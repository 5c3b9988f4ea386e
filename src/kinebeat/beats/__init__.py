"""From movement to beats: the activation, the bar-pointer HMM that decodes it, and the grid that comes of it."""
