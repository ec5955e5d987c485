"""IAM and trust policies that the operations need."""
