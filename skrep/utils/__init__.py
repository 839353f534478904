"""Shared helpers that know nothing of models."""
