"""Procedural road scenes with perfect labels: a Scene is sampled, then drawn. Chapter 12.

Training and test images come from one generator: results on them say nothing about real roads.
"""
