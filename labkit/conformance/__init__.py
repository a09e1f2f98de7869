"""Whether the translator says to every proxy what real Istio said: recorded answers against ours."""
