"""The report of a run: one HTML file that needs nothing else, made from the run's saved files only."""

from enas.page.write import FILE, report_run, write_page

__all__ = ["FILE", "report_run", "write_page"]
