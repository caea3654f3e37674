"""Mappers between payloads and unit-power channel symbols."""
