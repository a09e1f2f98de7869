"""Why a request went where it went: pure, from the configuration proxies have and the objects behind it."""
