"""Orders to pay on their way to the company's paymaster, and one of our own for demo and tests."""
