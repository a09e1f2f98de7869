"""Frames and callbacks in, pictures out: every view has a table or text twin and a static form."""
