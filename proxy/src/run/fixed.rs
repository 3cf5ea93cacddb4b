//! The settings that stay as the proxy was started.

use std::net::SocketAddr;

use crate::config::{Config, Listen, Mode};

/// Puts the settings that need a restart back to what they were, and returns the names of those
/// that were meant to change.
pub(super) fn keep_fixed(config: &mut Config, old: &Config) -> Vec<&'static str> {
    let mut changed = Vec::new();
    let mut keep = |name, same: bool| {
        if !same {
            changed.push(name);
        }
    };
    keep("proxy.admin", config.admin == old.admin);
    keep("proxy.workers", config.workers == old.workers);
    keep("proxy.cache", is_same_cache(config, old));
    keep("proxy.icap", config.icap == old.icap);
    let listens = doors(&config.listen).eq(doors(&old.listen));
    keep("proxy.listen", listens);
    config.admin = old.admin;
    config.workers = old.workers;
    config.cache = old.cache;
    config.icap.clone_from(&old.icap);
    if !listens {
        // Their lists of clients do change while the listeners are the same.
        config.listen.clone_from(&old.listen);
    }
    changed
}

fn doors(listen: &[Listen]) -> impl Iterator<Item = (Mode, SocketAddr)> {
    listen.iter().map(|listen| (listen.mode, listen.address))
}

fn is_same_cache(config: &Config, old: &Config) -> bool {
    let limits = |config: &Config| (config.cache.entries_max, config.cache.lifetime);
    limits(config) == limits(old)
}
