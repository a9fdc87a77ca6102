"""The heart: heartbeat, election and fence in a small process beside pulse."""
