"""*Check this real server*: the classic mistakes in its set-up, found from the router, by the real path."""
