//! CONNECT: judged by its authority before any name is resolved.

use std::rc::Rc;

use filter::{Enforcement, Protocol, Target, Undecidable};
use http::header::CONNECTION;
use http::{HeaderValue, Response};
use http_head::Head;
use uri::{NormalUri, Readings, Scheme};

use super::answer::{end, refuse};
use super::body::AnswerBody;
use super::context::Context;
use super::ending::Ending;
use super::forward::recorded;
use super::page;
use super::record::Record;
use super::signals::BadRequest;
use crate::connection::{Flow, Tunnel};
use crate::dial::Origin;

/// Opens a tunnel, or enforces what its authority is judged. A client of CONNECT follows no
/// redirect, so one is a block, as on TLS.
pub(super) async fn connect(
    context: &Rc<Context>,
    head: &Head,
    mut record: Record,
) -> Response<AnswerBody> {
    let authority = head.authority().unwrap_or_default();
    let shown = String::from_utf8_lossy(authority).into_owned();
    record.request(head.method(), shown.clone());
    let Some(port) = port(authority) else {
        return refuse(record, BadRequest::ConnectPort);
    };
    let flow = context.worker.shared.live.load().config.ports.flow(port);
    let scheme = match flow {
        Flow::Http => Scheme::Http,
        Flow::Tls => Scheme::Https,
        Flow::Unfiltered => return refuse(record, BadRequest::PortRefused),
    };
    let protocol = match scheme {
        Scheme::Http => Protocol::Http,
        Scheme::Https => Protocol::Tls,
    };
    let readings = Readings::of_request(scheme, authority, b"/", None);
    if let Ok(readings) = &readings {
        record.request(head.method(), readings.normal().as_str().to_owned());
    }
    let target = match &readings {
        Ok(readings) => Target::Uri(readings),
        Err(why) => Target::Undecidable(Undecidable::from(why)),
    };
    let judged = context
        .worker
        .judge(&context.connection, protocol, target)
        .await;
    let enforcement = judged.decision.enforcement(Protocol::Tls);
    record.judged(judged, Protocol::Tls);
    match (enforcement, readings) {
        (Enforcement::Forward, Ok(readings)) => {
            open(context, readings.normal().clone(), port, record).await
        }
        // A host that is none cannot be gone to, even if the profile lets it pass.
        (Enforcement::Forward, Err(_)) => {
            record.failed("unresolved");
            let page = page::failed(
                http::StatusCode::BAD_GATEWAY,
                "the host is not a valid name",
            );
            recorded(closing(page), record)
        }
        (Enforcement::Discard, _) => {
            drop(record);
            end(context, Ending::Close).await
        }
        (Enforcement::Reset, _) => {
            drop(record);
            end(context, Ending::Reset).await
        }
        (Enforcement::Forbid | Enforcement::Redirect, _) => {
            recorded(closing(page::blocked(&shown)), record)
        }
    }
}

/// Opens a tunnel to where the proxy goes, or, of a name, may go.
async fn open(
    context: &Context,
    authority: NormalUri,
    port: u16,
    mut record: Record,
) -> Response<AnswerBody> {
    let origin = Origin::named_by(&authority);
    let allowed = context
        .worker
        .refuse_forbidden(&context.connection, &origin);
    if let Err(error) = allowed {
        record.failed(error.as_str());
        let page = page::failed(
            http::StatusCode::FORBIDDEN,
            "the proxy does not go to this address",
        );
        return recorded(closing(page), record);
    }
    record.status(http::StatusCode::OK);
    let tunnel = Tunnel { authority };
    let ending = Ending::Tunnel {
        tunnel,
        port,
        record,
    };
    end(context, ending).await
}

fn closing(mut page: Response<AnswerBody>) -> Response<AnswerBody> {
    let close = HeaderValue::from_static("close");
    page.headers_mut().insert(CONNECTION, close);
    page
}

/// Returns the port of an authority that the gate let through.
fn port(authority: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(authority).ok()?;
    let (_, port) = text.rsplit_once(':')?;
    port.parse().ok()
}
