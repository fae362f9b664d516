"""After a solution: the customer's answer to it, the question whether it holds, and his score."""
