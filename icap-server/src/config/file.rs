//! The `icap_server:` section of a configuration file, as written.
