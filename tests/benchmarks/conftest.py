"""Only the tests here are collected; the scripts print timings and are run by hand."""

collect_ignore_glob = ["bench_*.py", "_*.py"]
