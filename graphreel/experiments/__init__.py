"""Each kind of data: load, build, evaluate, summarise."""
