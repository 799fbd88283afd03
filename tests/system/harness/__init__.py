"""Real servers and scripted ones, for tests that read as a story."""
