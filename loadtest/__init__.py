"""The load test: measures what the project promises, beside what it is compared with, in the same run."""
