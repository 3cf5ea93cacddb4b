//! Support for the integration tests: origins, ICAP peers, namespaces.
