"""What is in each file of vectors."""
