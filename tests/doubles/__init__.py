"""What the core is given from outside, in memory: plain, exact, for tests to break on purpose."""
