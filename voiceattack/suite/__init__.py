"""Test suites: a YAML file in, crafted and heard artefacts, gates judged, reports for people and CI out."""
