"""The papers' claims: what campaigns measured, as small tables, figures and a page."""
