//! The category database: compile lists, look URIs up, say how far an answer holds.
