"""Hearing the beat of the music in a dance as it happens."""
