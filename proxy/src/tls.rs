//! TLS on a client connection: read the Client Hello, judge, forward untouched.

use std::rc::Rc;

use crate::connection::{ClientStream, Connection};
use crate::worker::Worker;

/// Serves one client connection that should start with a Client Hello.
pub(crate) async fn serve(_worker: Rc<Worker>, _connection: Connection, _client: ClientStream) {
    todo!()
}
