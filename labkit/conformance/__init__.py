"""Whether every proxy is sent, and has, what real Istio sends it; and whether Istio's promises hold on live traffic."""
