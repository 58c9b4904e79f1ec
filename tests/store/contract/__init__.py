"""The contract of the engines (bridge.store.interface.Store), by concern; each test runs on
both."""
