"""The stages of the pipeline and what they stand on: plain functions that know no workflow engine."""
