//! ICAP messages (RFC 3507) as bytes and as values; no sockets.
