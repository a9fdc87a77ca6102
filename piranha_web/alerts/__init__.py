"""Who is told when something is wrong: rules (pure), what they look at, where to, and the way there."""
