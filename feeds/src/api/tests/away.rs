//! What does not answer: a body, and a store in another place.

use std::convert::Infallible;
use std::future::{pending, ready};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};
use ipnet::IpNet;
use sessions::{
    Change, Effect, Lookup, Noticed, Page, Pending, Record, Reported, SessionKey, SessionStore,
    Unavailable, Unstored,
};

/// A body of which nothing comes.
pub(super) struct Endless;

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

/// A store in another place, which is away.
#[derive(Debug)]
pub(super) struct Away(pub(super) Fault);

#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    Refuses,
    IsSilent,
}

impl Away {
    fn answer<T: Send + 'static>(&self, refusal: T) -> Pending<T> {
        match self.0 {
            Fault::Refuses => Box::pin(ready(refusal)),
            Fault::IsSilent => Box::pin(pending()),
        }
    }
}

impl SessionStore for Away {
    fn behind(&self, _: IpAddr) -> Lookup<Arc<Record>> {
        Lookup::Asking(self.answer(Err(Unavailable)))
    }

    fn change(&self, _: Change, _: u32) -> Pending<Result<Effect, Unstored>> {
        self.answer(Err(Unavailable.into()))
    }

    fn get(&self, _: IpNet) -> Pending<Reported<Arc<Record>>> {
        self.answer(Err(Unavailable))
    }

    fn page(&self, _: Option<u64>, _: usize) -> Pending<Result<Page, Unavailable>> {
        self.answer(Err(Unavailable))
    }

    fn noticed(&self, _: u32) -> Pending<Noticed> {
        Box::pin(ready(Noticed::default()))
    }

    fn key(&self, _: &Record) -> SessionKey {
        unreachable!("it keeps none")
    }

    fn len(&self) -> usize {
        0
    }
}
