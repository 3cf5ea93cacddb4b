//! HTTP/1.1 on a client connection: read, judge, enforce, forward.

use std::rc::Rc;

use crate::connection::{ClientStream, Connection};
use crate::worker::Worker;

/// Serves the requests of one client connection until it ends.
pub(crate) async fn serve(_worker: Rc<Worker>, _connection: Connection, _client: ClientStream) {
    todo!()
}
