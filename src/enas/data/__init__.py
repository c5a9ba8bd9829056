"""Readers, splits and preprocessing: from files to arrays."""
