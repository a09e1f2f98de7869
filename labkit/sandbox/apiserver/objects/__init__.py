"""The rules on objects, without I/O: what a body may say, what is filled in, merged, refused and shown."""
