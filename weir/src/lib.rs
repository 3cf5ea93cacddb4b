//! The program: command line, composition of proxy and ICAP server, exit status.
