"""Items of probes, as text: a file a kind; made by prepare, scored by the probes' room."""
