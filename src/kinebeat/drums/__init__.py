"""The drums room: a rhythm goes in, a drum performance comes out.

`drummer.Drummer` plays. `data`, `rhythms` and `batches` are what it learns from; `network`, `train` and `export`
need torch and are not imported here.
"""
