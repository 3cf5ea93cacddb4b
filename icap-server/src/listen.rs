use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::{fs, io};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// Connections that may wait to be accepted.
pub(crate) const BACKLOG: i32 = 1_024;

/// A listener of one worker.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A socket in the file system, which goes when this is dropped, unless another took its place.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and number of the file.
    identity: (u64, u64),
}

/// Binds one socket at `path`, with `count` listeners that share its connections. A socket that
/// nobody listens on any more is replaced.
pub(crate) fn bind_unix(
    path: &Path,
    mode: u32,
    count: usize,
) -> io::Result<(Vec<UnixListener>, SocketFile)> {
    replaceable(path)?;
    // It gets its permissions before anybody can find it under its name.
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    let fresh = PathBuf::from(fresh);
    if replaceable(&fresh)? {
        fs::remove_file(&fresh)?;
    }
    let listener = UnixListener::bind(&fresh)?;
    listener.set_nonblocking(true)?;
    fs::set_permissions(&fresh, fs::Permissions::from_mode(mode))?;
    fs::rename(&fresh, path)?;
    let found = fs::symlink_metadata(path)?;
    let file = SocketFile {
        path: path.to_owned(),
        identity: (found.dev(), found.ino()),
    };
    let listeners = (0..count).map(|_| listener.try_clone());
    Ok((listeners.collect::<io::Result<_>>()?, file))
}

/// Returns whether there is a socket at `path` that nobody listens on any more. Fails if there is
/// anything else.
fn replaceable(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => {}
        Ok(_) => {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                format!("`{}` is there, and is no socket", path.display()),
            ));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // A listener that is busy would keep us waiting.
    socket.set_nonblocking(true)?;
    match socket.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(true),
        // Of another type, or another user's: somebody else needs it.
        Ok(()) | Err(_) => Err(io::ErrorKind::AddrInUse.into()),
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let found = fs::symlink_metadata(&self.path);
        if found.is_ok_and(|found| (found.dev(), found.ino()) == self.identity) {
            // One that stays is replaced by the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Binds `count` listeners to one address, among which the system spreads connections. Port 0 is
/// one port of the system's choice for all of them.
pub(crate) fn bind(address: SocketAddr, count: usize) -> io::Result<Vec<TcpListener>> {
    // With SO_REUSEPORT a second program would quietly take a share of the connections; without
    // it an address that is taken says so.
    let alone = socket(address)?;
    alone.bind(&SockAddr::from(address))?;
    let address = local_address(&alone)?;
    drop(alone);
    (0..count).map(|_| bind_shared(address)).collect()
}

fn bind_shared(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket(address)?;
    socket.set_reuse_port(true)?;
    socket.bind(&SockAddr::from(address))?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        // `[::]` accepts both families, whatever the system's default is.
        socket.set_only_v6(false)?;
    }
    // Connections of an earlier run that linger in TIME-WAIT do not hold the port.
    socket.set_reuse_address(true)?;
    Ok(socket)
}

fn local_address(socket: &Socket) -> io::Result<SocketAddr> {
    let address = socket.local_addr()?;
    address
        .as_socket()
        .ok_or_else(|| io::Error::other("the system bound no IP address"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;

    #[test]
    fn all_listeners_share_the_port_of_the_first() {
        let listeners = bind("127.0.0.1:0".parse().unwrap(), 3).unwrap();
        let ports: Vec<u16> = listeners
            .iter()
            .map(|listener| listener.local_addr().unwrap().port())
            .collect();
        assert_eq!(ports.len(), 3);
        assert!(
            ports.iter().all(|port| *port == ports[0] && *port != 0),
            "{ports:?}"
        );
    }

    #[test]
    fn a_socket_has_its_mode_and_goes_with_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("icap.sock");
        let (listeners, file) = bind_unix(&path, 0o620, 2).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o620);
        let taken = bind_unix(&path, 0o620, 1).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
        drop(listeners);
        // Nobody listens, as after a crash.
        let (_listeners, other) = bind_unix(&path, 0o600, 1).unwrap();
        drop(file);
        assert!(path.exists(), "it is another's by now");
        drop(other);
        assert!(!path.exists());
        fs::write(&path, "text").unwrap();
        let other = bind_unix(&path, 0o600, 1).unwrap_err();
        assert_eq!(other.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&path).unwrap(), "text");
    }

    #[test]
    fn what_others_need_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("icap.sock");
        let taken = |path: &Path| bind_unix(path, 0o600, 1).unwrap_err().kind();
        let of_another_type = UnixDatagram::bind(&path).unwrap();
        assert_eq!(taken(&path), io::ErrorKind::AddrInUse);
        drop(of_another_type);
        fs::remove_file(&path).unwrap();
        // Nobody is accepted, and one waits: the next one would wait as well.
        let busy = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        let address = SockAddr::unix(&path).unwrap();
        busy.bind(&address).unwrap();
        busy.listen(0).unwrap();
        let waiting = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        waiting.connect(&address).unwrap();
        assert_eq!(taken(&path), io::ErrorKind::AddrInUse);
        drop(busy);
        let fresh = folder.path().join("icap.sock.new");
        fs::write(&fresh, "text").unwrap();
        assert_eq!(taken(&path), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&fresh).unwrap(), "text");
        // What a start that was cut short leaves.
        fs::remove_file(&fresh).unwrap();
        drop(UnixListener::bind(&fresh).unwrap());
        assert!(bind_unix(&path, 0o600, 1).is_ok());
        assert!(!fresh.exists());
    }

    #[test]
    fn an_address_that_is_taken_says_so() {
        let listeners = bind("127.0.0.1:0".parse().unwrap(), 2).unwrap();
        let taken = listeners[0].local_addr().unwrap();
        assert_eq!(bind(taken, 1).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
