"""What is remarked on a router that was seen, by what it is about. Pure; see `lvs.router.preflight`."""
