"""`piranha setup`: what is asked, and what is done with the answers."""
