"""Ports between the pods of the group."""
