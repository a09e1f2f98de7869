"""PromQL: a query and samples in, vectors out. Pure; ``promql-parser`` reads the text.

What is not carried out (native histograms, ``info``, ``limitk``, ``or`` between matchers, …) is refused by name.
"""
