"""The accompaniment room: drums go in, a piano or guitar part that sits on them comes out.

`parts` holds the nouns, `harmony` chords and keys, `vocabulary` the two vocabularies, `tokens` turns music into tokens
and back, `grammar` says which token may follow which, and `corpus` is the music that is learned from
(`multitrack` its files, `songs` what is in them).
"""
