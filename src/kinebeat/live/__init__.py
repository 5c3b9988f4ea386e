"""The live engine: someone moves, and drums answer in time (InteractiveBeat, Liu, Su and Shlizerman, WACV 2024)."""
