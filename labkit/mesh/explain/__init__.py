"""Which way a request takes through a configuration, and whose object decided it."""
