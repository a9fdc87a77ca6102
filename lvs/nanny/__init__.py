"""The checks of real servers, and what they mean."""
