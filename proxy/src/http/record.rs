//! The access log's line of one request, written when the request is over.

use std::mem;
use std::rc::Rc;

use filter::Protocol;
use http::StatusCode;

use super::body::Upload;
use super::context::Context;
use super::signals::{BadRequest, Signals};
use crate::access_log::{Entry, Exchange};
use crate::connection::Connection;
use crate::judge::Judged;
use crate::splice::Passed;
use crate::worker::Worker;

/// What is known of one request. Dropping it writes the line, so that no end goes unlogged.
#[derive(Debug)]
pub(super) struct Record {
    worker: Rc<Worker>,
    connection: Connection,
    protocol: Protocol,
    verdict: Verdict,
    exchange: Exchange,
    signals: Rc<Signals>,
    /// The request's body, which may go on after the answer.
    upload: Option<Rc<Upload>>,
}

#[derive(Debug)]
enum Verdict {
    /// The connection ended first.
    Open,
    Judged(Judged),
    Bad(&'static str),
}

impl Record {
    /// Starts on a request received now.
    pub(super) fn new(context: &Context) -> Self {
        Self {
            worker: Rc::clone(&context.worker),
            connection: context.connection.clone(),
            protocol: Protocol::Http,
            verdict: Verdict::Open,
            exchange: Exchange::new(),
            signals: Rc::clone(&context.signals),
            upload: None,
        }
    }

    /// Notes what is requested.
    pub(super) fn request(&mut self, method: &str, uri: String) {
        self.exchange.method = Some(method.to_owned());
        self.exchange.uri = Some(uri);
    }

    /// Notes what was decided, for which protocol.
    pub(super) fn judged(&mut self, judged: Judged, protocol: Protocol) {
        self.protocol = protocol;
        self.verdict = Verdict::Judged(judged);
    }

    /// Notes that the request is refused whatever the profile.
    pub(super) fn bad(&mut self, bad: BadRequest) {
        match self.verdict {
            Verdict::Open | Verdict::Bad(_) => self.verdict = Verdict::Bad(bad.as_str()),
            // A body that turns out bad was judged by its head.
            Verdict::Judged(_) => self.exchange.failure = Some(bad.as_str()),
        }
    }

    /// Notes what the client is answered.
    pub(super) fn status(&mut self, status: StatusCode) {
        self.exchange.status = Some(status.as_u16());
    }

    /// Notes why a request that was to be forwarded was not.
    pub(super) fn failed(&mut self, word: &'static str) {
        self.exchange.failure.get_or_insert(word);
    }

    /// Counts the bytes of a request's body that is forwarded.
    pub(super) fn upload(&mut self, upload: Rc<Upload>) {
        self.upload = Some(upload);
    }

    /// Counts bytes of a request's body that is not forwarded.
    pub(super) fn received(&mut self, len: usize) {
        self.exchange.bytes_in += u64::try_from(len).unwrap_or(u64::MAX);
    }

    /// Counts bytes of the answer's body.
    pub(super) fn sent(&mut self, len: usize) {
        self.exchange.bytes_out += u64::try_from(len).unwrap_or(u64::MAX);
    }

    /// Counts the bytes of another protocol.
    pub(super) fn passed(&mut self, passed: Passed) {
        self.exchange.bytes_in += passed.from_client;
        self.exchange.bytes_out += passed.to_client;
        if let Some(word) = passed.failure {
            self.failed(word);
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if let Some(upload) = &self.upload {
            self.exchange.bytes_in += upload.received();
        }
        if let Some(word) = self.signals.broken.get() {
            self.failed(word);
        }
        match mem::replace(&mut self.verdict, Verdict::Open) {
            Verdict::Open => {}
            Verdict::Judged(judged) => drop(Entry {
                worker: Rc::clone(&self.worker),
                connection: self.connection.clone(),
                protocol: self.protocol,
                judged,
                exchange: mem::replace(&mut self.exchange, Exchange::new()),
            }),
            Verdict::Bad(reason) => {
                self.worker
                    .log_bad_request(&self.connection, reason, &self.exchange);
            }
        }
    }
}
