use std::sync::Arc;

use filter::Source;
use icap::{
    Body, Connection as Persistence, EncapsulatedBody, Method, OptionsReply, ReplyFields, Request,
    Status, named_service, write_error,
};
use sessions::Reported;
use tokio::io::{AsyncRead, AsyncWrite};

use super::Connection;
use crate::categorize::categorize;
use crate::config::Overload;
use crate::content::{Loaded, OPTIONS_TTL_S, Service, Stamps};
use crate::metrics::{End, MethodLabel, RequestLabels, ServiceLabel};
use crate::page::Page;
use crate::verdict;

/// What `/filter` looks at in a request.
const INCLUDE: &str =
    "X-Client-IP, X-Server-IP, X-Subscriber-ID, X-Authenticated-User, X-Client-Username";

/// What is answered to a request that may be answered in more than one way.
enum Reply {
    /// The request may go on as it is.
    Unmodified,
    /// The HTTP client gets this.
    Page(Page),
}

/// An answer in all but its form.
pub(super) struct Answer {
    service: Service,
    reply: Reply,
    attribute: String,
    prefix: Option<u64>,
    profile: Option<Arc<str>>,
    /// What `/filter` did, in a word, and why.
    response: Option<(&'static str, Source)>,
}

/// How much of an answer is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Written {
    /// All of it.
    Whole,
    /// All but the body of the request, if it has one.
    CopyOfHead,
}

impl Answer {
    /// Returns who gives it.
    pub(super) fn service(&self) -> Service {
        self.service
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Finds the answer to a REQMOD.
    pub(super) fn judge(
        &mut self,
        loaded: &Loaded,
        (service, reported): (Service, Reported),
        request: &Request,
    ) -> Result<Answer, Status> {
        match (service, loaded.rules_now()) {
            (Service::Categorize, _) => {
                let (known, outcome) =
                    categorize(&loaded.database, loaded.prefix_unit, &request.http_head);
                self.shared.metrics.categorized(outcome);
                Ok(Answer {
                    service,
                    reply: Reply::Unmodified,
                    attribute: known.attribute,
                    prefix: known.prefix,
                    profile: None,
                    response: None,
                })
            }
            (Service::Filter, Some(rules)) => {
                let verdict = verdict::judge(&mut self.engine, loaded, &rules, (request, reported))
                    .map_err(|verdict::NoSuchProfile| Status::NotFound)?;
                let decision = verdict.decision;
                self.shared.metrics.decided(&decision);
                Ok(Answer {
                    service,
                    reply: verdict.page.map_or(Reply::Unmodified, Reply::Page),
                    attribute: String::new(),
                    prefix: None,
                    profile: decision.profile,
                    response: Some((verdict.response_info, decision.source)),
                })
            }
            (Service::Filter, None) => Err(Status::NotFound),
        }
    }

    /// Writes an answer in the form that the client allows.
    pub(super) fn write(&mut self, stamps: &Stamps, request: &Request, answer: &Answer) -> Written {
        let connection = self.persistence(request);
        let fields = ReplyFields {
            is_tag: &stamps.tag(Some(answer.service)),
            date: Some(self.date.now()),
            connection,
            attribute: &answer.attribute,
            prefix: answer.prefix,
            profile: answer.profile.as_deref(),
            response_info: answer.response.map(|(info, _)| info),
            response_desc: answer.response.map(|(_, source)| described(source)),
            cache_control: match answer.service {
                Service::Categorize => stamps.max_age.as_deref(),
                // It holds for one client, and a shared cache does not know which.
                Service::Filter => Some("no-store"),
            },
        };
        let out = self.wire.output.end();
        let (status, written) = match &answer.reply {
            Reply::Page(page) => {
                fields.write_http_response(page.head.as_bytes(), page.body.as_bytes(), out);
                (Status::Ok, Written::Whole)
            }
            Reply::Unmodified if allows_204(request) => {
                fields.write_no_content(out);
                (Status::NoContent, Written::Whole)
            }
            Reply::Unmodified => {
                let body = match request.body {
                    Body::None => EncapsulatedBody::Null,
                    Body::Whole | Body::Preview(_) => EncapsulatedBody::Request,
                };
                fields.write_copy(&request.http_head, body, out);
                (Status::Ok, Written::CopyOfHead)
            }
        };
        self.count(request, Some(answer.service), status);
        written
    }

    /// Answers OPTIONS.
    pub(super) fn offer(&mut self, stamps: &Stamps, service: Service, request: &Request) {
        let connection = self.persistence(request);
        let reply = OptionsReply {
            is_tag: &stamps.tag(Some(service)),
            date: Some(self.date.now()),
            connection,
            service: match service {
                Service::Categorize => "weir categorize",
                Service::Filter => "weir filter",
            },
            service_id: match service {
                Service::Categorize => "categorize",
                Service::Filter => "filter",
            },
            ttl_s: OPTIONS_TTL_S,
            connections_max: self.shared.connections_max,
            include: INCLUDE,
        };
        reply.write(self.wire.output.end());
        self.count(request, Some(service), Status::Ok);
    }

    /// Says that there are too many connections, in the way that was configured.
    pub(super) fn refuse(
        &mut self,
        stamps: &Stamps,
        request: &Request,
        service: Option<Service>,
    ) -> End {
        let pass = self.shared.settings.load().overload == Overload::Pass
            && service == Some(Service::Filter)
            && request.method == Method::Reqmod
            && allows_204(request);
        if !pass {
            return self.fail(Status::Overloaded, request, service, stamps);
        }
        let fields = ReplyFields {
            is_tag: &stamps.tag(service),
            date: Some(self.date.now()),
            connection: Persistence::Close,
            attribute: "",
            prefix: None,
            profile: None,
            response_info: Some("Allowed"),
            response_desc: Some("the ICAP server is overloaded"),
            cache_control: Some("no-store"),
        };
        fields.write_no_content(self.wire.output.end());
        self.count(request, service, Status::NoContent);
        End::Refused
    }

    /// Answers a request with an error, after which the connection ends.
    pub(super) fn fail(
        &mut self,
        status: Status,
        request: &Request,
        service: Option<Service>,
        stamps: &Stamps,
    ) -> End {
        write_error(status, &stamps.tag(service), self.wire.output.end());
        self.count(request, service, status);
        End::Refused
    }

    /// Answers what is no request, after which the connection ends.
    pub(super) fn reject(&mut self, status: Status) -> End {
        let loaded = self.shared.loaded.load();
        let named = named_service(self.wire.input.rest());
        let service = named.and_then(|uri| loaded.service(&uri));
        write_error(status, &loaded.stamps.tag(service), self.wire.output.end());
        let service = ServiceLabel::of(service);
        self.count_as(service, MethodLabel::Unknown, status);
        End::BadRequest
    }

    /// Returns whether another answer follows this one.
    fn persistence(&mut self, request: &Request) -> Persistence {
        self.last = match (self.shared.drain.is_requested(), request.connection) {
            (true, _) => Some(End::Drained),
            (false, Persistence::Close) => Some(End::Client),
            (false, Persistence::KeepAlive) => None,
        };
        match self.last {
            Some(_) => Persistence::Close,
            None => Persistence::KeepAlive,
        }
    }

    fn count(&mut self, request: &Request, service: Option<Service>, status: Status) {
        let service = ServiceLabel::of(service);
        let method = match request.method {
            Method::Options => MethodLabel::Options,
            Method::Reqmod => MethodLabel::Reqmod,
            Method::Respmod => MethodLabel::Respmod,
        };
        self.count_as(service, method, status);
    }

    fn count_as(&mut self, service: ServiceLabel, method: MethodLabel, status: Status) {
        let labels = RequestLabels {
            service,
            method,
            status: status.code(),
        };
        let known = self.counted.take().filter(|(known, _)| *known == labels);
        let counted = known.unwrap_or_else(|| (labels, self.shared.metrics.answers(&labels)));
        counted.1.inc();
        self.counted = Some(counted);
    }
}

/// Says why a decision was made, in a line without anything of the request.
fn described(source: Source) -> &'static str {
    match source {
        Source::Unfiltered => "not filtered",
        Source::Bypass => "the destination is a bypass address",
        Source::NoProfile => "no profile applies",
        Source::Cache => "remembered",
        Source::PassList => "on a pass list of the profile",
        Source::BlockList => "on a block list of the profile",
        Source::RedirectList => "on a redirect list of the profile",
        Source::Icap => "the policy of the profile names a category of the URI",
        Source::Default => "default action of the profile",
        Source::Unknown => "no list and no category is known for the URI",
        Source::Error => "the categorizer could not be asked",
        Source::Undecidable => "the request cannot be judged",
    }
}

/// 204 may be said where the client offers it, and always in place of the rest of a preview
/// (RFC 3507 section 4.6).
fn allows_204(request: &Request) -> bool {
    request.allow_204 || request.preview.is_some()
}
