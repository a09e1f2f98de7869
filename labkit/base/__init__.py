"""The ground floor: errors, settings, waiting, processes and ports. Imports nothing of labkit."""
