use std::sync::Arc;

use bytes::Bytes;

use crate::avp::{AvpHead, Padding, Value};
use crate::frame::MESSAGE_LEN_MAX;
use crate::header::{ERROR, HEADER_LEN, PROXIABLE, REQUEST};
use crate::{Avp, Bad, Dictionary, Fields, Header, Refused, Shape, name};

/// AVPs of a message at most, those in groups included.
pub const AVPS_MAX: usize = 1024;

/// Groups around an AVP at most.
pub const DEPTH_MAX: usize = 8;

/// A message: what was read, written again, gives the same octets.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Message {
    /// What stands before the AVPs.
    pub header: Header,
    /// The AVPs in their order.
    pub avps: Vec<Avp>,
}

/// Who speaks: a node of the Diameter network.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Identity {
    /// Origin-Host: the full name of the node.
    pub host: Arc<str>,
    /// Origin-Realm: the domain that it belongs to.
    pub realm: Arc<str>,
}

/// A message is longer than [`MESSAGE_LEN_MAX`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the message would have {0} octets; use at most {MESSAGE_LEN_MAX}")]
pub struct TooLong(pub usize);

impl Message {
    /// Reads a message that takes all of `bytes`. The values stay slices of them.
    ///
    /// A mandatory AVP that nobody knows is not an error here, since answers are used in spite
    /// of one; ask [`first_unknown`](Self::first_unknown) before a request is.
    ///
    /// # Errors
    ///
    /// Fails with what could be read, and why the rest could not.
    pub fn read(bytes: &Bytes, dictionary: &Dictionary) -> Result<Self, Box<Refused>> {
        let refused = |header, avps, bad| Box::new(Refused { header, avps, bad });
        let (header, said, _) =
            Header::read(bytes).map_err(|bad| refused(None, Vec::new(), bad.into()))?;
        let found = bytes.len();
        if said != found || found > MESSAGE_LEN_MAX || !found.is_multiple_of(4) {
            let bad = Bad::Length { said, found };
            return Err(refused(Some(header), Vec::new(), bad));
        }
        if header.flags & (REQUEST | ERROR) == REQUEST | ERROR {
            let bad = Bad::HeaderBits(header.flags);
            return Err(refused(Some(header), Vec::new(), bad));
        }
        let mut reader = Reader {
            dictionary,
            left: AVPS_MAX,
        };
        let mut avps = Vec::new();
        match reader.read(&bytes.slice(HEADER_LEN..), 0, &mut avps) {
            Ok(()) => Ok(Self { header, avps }),
            Err(bad) => Err(refused(Some(header), avps, bad)),
        }
    }

    /// Writes the message.
    ///
    /// # Errors
    ///
    /// Fails if it is longer than [`MESSAGE_LEN_MAX`].
    pub fn write(&self) -> Result<Bytes, TooLong> {
        let avps = self.avps.iter().map(Avp::padded_len);
        let len = avps.fold(HEADER_LEN, usize::saturating_add);
        let written = u32::try_from(len).ok().filter(|_| len <= MESSAGE_LEN_MAX);
        let written = written.ok_or(TooLong(len))?;
        let mut out = Vec::with_capacity(len);
        self.header.write(written, &mut out);
        for avp in &self.avps {
            avp.write(&mut out);
        }
        debug_assert_eq!(out.len(), len);
        Ok(out.into())
    }

    /// Returns the first mandatory AVP that is not known, in the groups that it is in.
    #[must_use]
    pub fn first_unknown(&self, dictionary: &Dictionary) -> Option<Avp> {
        first_unknown(&self.avps, dictionary)
    }

    /// Makes the answer to this request: its ids and session, who answers, the result, and every
    /// Proxy-Info as it came (RFC 6733 section 6.2). A result of the class 3xxx is a protocol
    /// error and has its bit.
    #[must_use]
    pub fn answer(&self, result: u32, own: &Identity) -> Self {
        answer(&self.header, &self.avps, result, own)
    }

    /// Makes the answer to this request that says what is wrong with it.
    #[must_use]
    pub fn refuse(&self, bad: &Bad, own: &Identity) -> Self {
        refusal(&self.header, &self.avps, bad, own)
    }
}

impl Refused {
    /// Makes the answer to a request that was refused; none if it was an answer itself, or
    /// nobody knows what it was.
    #[must_use]
    pub fn answer(&self, own: &Identity) -> Option<Message> {
        let header = self.header.filter(Header::is_request)?;
        Some(refusal(&header, &self.avps, &self.bad, own))
    }
}

fn refusal(request: &Header, avps: &[Avp], bad: &Bad, own: &Identity) -> Message {
    let mut answer = answer(request, avps, bad.result_code(), own);
    let failed = bad.failed_avp().into_iter();
    let failed = failed.map(|avp| Avp::mandatory(name::FAILED_AVP, vec![avp]));
    answer.avps.extend(failed);
    answer
}

fn answer(request: &Header, avps: &[Avp], result: u32, own: &Identity) -> Message {
    let error = match result {
        3000..4000 => ERROR,
        _ => 0,
    };
    let header = Header {
        flags: request.flags & PROXIABLE | error,
        ..*request
    };
    let session = avps.all(name::SESSION_ID).next().cloned();
    let mut answer: Vec<Avp> = session.into_iter().collect();
    answer.extend([
        Avp::mandatory(name::RESULT_CODE, result),
        Avp::mandatory(name::ORIGIN_HOST, &*own.host),
        Avp::mandatory(name::ORIGIN_REALM, &*own.realm),
    ]);
    answer.extend(avps.all(name::PROXY_INFO).cloned());
    Message {
        header,
        avps: answer,
    }
}

fn first_unknown(avps: &[Avp], dictionary: &Dictionary) -> Option<Avp> {
    avps.iter()
        .find_map(|avp| match dictionary.shape(avp.name()) {
            None => avp.is_mandatory().then(|| avp.clone()),
            Some(Shape::Single | Shape::Group) => {
                let inside = first_unknown(avp.inside(), dictionary)?;
                Some(avp.around(inside))
            }
        })
}

struct Reader<'a> {
    dictionary: &'a Dictionary,
    /// How many AVPs may still come.
    left: usize,
}

impl Reader<'_> {
    /// Reads the AVPs that fill `bytes`, and keeps those before a fault.
    fn read(&mut self, bytes: &Bytes, depth: usize, avps: &mut Vec<Avp>) -> Result<(), Bad> {
        let mut rest = bytes.clone();
        while !rest.is_empty() {
            self.left = self.left.checked_sub(1).ok_or(Bad::TooMany)?;
            let head = AvpHead::read(&rest).ok_or(Bad::Rest(rest.len()))?;
            let place = head.value().filter(|place| place.end <= rest.len());
            let Some(place) = place else {
                return Err(Bad::AvpLength(Box::new(head.with_zeros(0))));
            };
            let end = place.end;
            let value = self.value(&head, rest.slice(place), depth)?;
            let padding = Padding::read(end, rest.get(end..).unwrap_or_default());
            rest = rest.slice(end + padding.len()..);
            avps.push(Avp::read(&head, value, padding));
        }
        Ok(())
    }

    fn value(&mut self, head: &AvpHead, octets: Bytes, depth: usize) -> Result<Value, Bad> {
        match self.dictionary.shape(head.name) {
            Some(Shape::Group) if depth == DEPTH_MAX => Err(Bad::TooDeep(head.name)),
            Some(Shape::Group) => {
                let mut avps = Vec::new();
                self.read(&octets, depth + 1, &mut avps)?;
                Ok(Value::Group(avps))
            }
            Some(Shape::Single) | None => Ok(Value::Octets(octets)),
        }
    }
}

#[cfg(test)]
mod tests;
