"""What an outage does to a department: simulated, with its closed forms, from the department's own volumes."""
