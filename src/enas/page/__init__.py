"""The report of a run: one HTML file that needs nothing else, made from the run's saved files only."""

from enas.page.write import FILE, write_page

__all__ = ["FILE", "write_page"]
