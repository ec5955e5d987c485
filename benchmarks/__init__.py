"""Measurements which the documents quote; each module runs alone."""
