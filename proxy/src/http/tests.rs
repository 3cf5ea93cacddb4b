//! One client connection against one origin, over real sockets on loopback.

mod enforce;
mod forward;
mod origin;
mod refuse;
mod tunnel;
mod world;
