"""What every service shares: facts, AWS clients, the queue worker. No domain knowledge."""
