"""Reading what happened: what a proxy was given, what a cluster runs."""
