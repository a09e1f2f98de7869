"""Jaeger in the sandbox: takes spans by OTLP and Zipkin, keeps the newest traces, answers Jaeger's query API."""
