//! Listening sockets: transparent, redirected, explicit.
