"""Rules in CEL: of custom resources (``x-kubernetes-validations``) and of admission policies.

Google's own runtime (``cel_expr_python``, the C++ one) parses, checks and evaluates; ``engine`` loads it when the first
expression is compiled. What Kubernetes adds is here: its functions (``functions``), its types (``declared``), its view
of an object (``values``), and which rules of a definition are asked of which value (``rules``).
"""
