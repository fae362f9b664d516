"""What was promised to customers, by when, and what happens if it is not kept."""
