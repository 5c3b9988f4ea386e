"""MuStyleNet (InteractiveBeat 3.2): how hard somebody brakes becomes how hard drums are struck."""
