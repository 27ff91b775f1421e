"""Accounts: persons, how they sign in, and the rules for what they write."""
