"""Where the music goes: a MIDI port, OSC, loudspeakers, the page, files of the take."""
