"""The contract of the engines (:mod:`bridge.store.interface`), by concern; each test runs on both.

:data:`tests.benchmarks.store_cases.VERBS` has the benchmark of each verb by its name:
``python -m tests.benchmarks store``.
"""
