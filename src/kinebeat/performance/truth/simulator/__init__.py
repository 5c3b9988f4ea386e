"""Players who are made up: a part and an instrument -> a film of somebody who plays it, as a detector sees it."""
