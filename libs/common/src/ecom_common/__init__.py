"""What every service of the order system shares: facts, AWS clients, the queue worker. No domain knowledge."""
