"""The benchmark: starts servers, loads them with wrk, and puts the ratios into a table."""
