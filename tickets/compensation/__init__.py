"""What a customer gets when something went wrong: reckoned by the policy, granted, paid."""
