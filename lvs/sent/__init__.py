"""What the manager has routers do: applying, orders, errands, questions."""
