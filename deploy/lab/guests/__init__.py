"""Guest kernels: a fresh Linux with IPVS, over this machine's files, for one command."""
