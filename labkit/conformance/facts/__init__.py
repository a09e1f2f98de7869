"""What Istio's own tasks promise, measured on live traffic of any cluster that a kubeconfig names."""
