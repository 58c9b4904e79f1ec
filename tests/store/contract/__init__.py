"""What every engine promises (bridge.store.interface.Store), by concern; each test runs on both."""
