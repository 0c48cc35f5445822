"""What is written down of every attempt, for people and auditors."""
