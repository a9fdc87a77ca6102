"""Who of the two routers is active: pure, time is an argument."""
