"""Truth to learn playing from: films of pianists with what they play, and players who are made up."""
