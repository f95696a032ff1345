"""The sections of the page, a module each: what it needs of the findings, its figure, its tables, its sentences."""
