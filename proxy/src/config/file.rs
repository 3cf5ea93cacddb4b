//! The `proxy:` section of a configuration file, as written.
