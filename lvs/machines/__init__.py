"""Between the machines: who may say what to whom by Redis, and how a machine becomes a router."""
