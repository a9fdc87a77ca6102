"""What routers report of themselves, and what follows from it."""
