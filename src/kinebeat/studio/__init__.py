"""The web studio: videos are dropped on a page, and their soundtracks are made, heard, changed and taken away there.

`kinebeat.studio.server.serve` opens one. Nothing is imported here: the studio's workers shall start quickly.
"""
