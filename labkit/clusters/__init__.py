"""Where a course runs: every cluster is a kubeconfig, and says what it can do."""
