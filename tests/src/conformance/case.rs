//! A case: what it shows, what is sent, what is accepted.

use super::answer::Answer;
use super::message::{LAST, Message};

/// How binding a requirement is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Level {
    /// MUST, MUST NOT, REQUIRED; also a grammar or a definition without which the other side could
    /// not read the message.
    Must,
    /// SHOULD; also the meaning of a status, where nothing says that it must be sent.
    Should,
    /// Both are legal; what is asked for is sense.
    May,
}

impl Level {
    /// Returns the word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Must => "MUST",
            Self::Should => "SHOULD",
            Self::May => "MAY",
        }
    }
}

/// A requirement.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The section of RFC 3507, an erratum, or the section of RFC 2616 that it refers to.
    pub section: &'static str,
    /// How binding it is.
    pub level: Level,
    /// What is required.
    pub claim: &'static str,
}

/// What a service must be like for a case to say anything.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Need {
    /// Anything.
    Nothing,
    /// It offers RESPMOD.
    Respmod,
    /// It does not offer RESPMOD.
    NoRespmod,
    /// It says how many connections it takes, and that is few enough to open them.
    FewConnections,
}

/// A case.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name, which no other has.
    pub id: &'static str,
    /// What it shows.
    pub rule: Rule,
    /// What is done.
    pub steps: Vec<Step>,
    /// Without this it says nothing.
    pub need: Need,
    /// Waits longer than others.
    pub slow: bool,
}

/// One thing that is done on the connection of a case.
#[derive(Clone, Debug)]
pub enum Step {
    /// Bytes are sent, as one write.
    Send(Vec<u8>),
    /// Bytes are sent, each as a write of its own.
    Drip(Vec<u8>),
    /// Bytes are sent in two writes, cut at each place in turn, and each time an answer is read.
    Cut(Vec<u8>, Want),
    /// An answer is read.
    Want(Want),
    /// Nothing more is sent, and the other side is told.
    HalfClose,
    /// The other side closes, and sends nothing before.
    Closed,
    /// The connection ends, after one answer or none: nothing that was sent later is answered.
    Ends,
    /// The connection is in step: OPTIONS is sent, and its answer is the next.
    Sound,
    /// Unless the last answer said that the connection ends, it is in step; if it did, it ends.
    AsTold,
    /// As many connections are opened and used as the service takes.
    Fill,
}

/// What is accepted as the answer.
#[derive(Clone, Debug)]
pub struct Want {
    /// These statuses; none: any.
    pub statuses: Vec<u16>,
    /// What else.
    pub checks: Vec<Check>,
    /// What it means if no answer comes.
    pub without: Without,
    /// After 100 this is sent, and the answer after that is judged, with these statuses.
    pub rest: Option<(Vec<u8>, Vec<u16>)>,
}

/// What it means that the connection is closed instead of an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Without {
    /// A failure.
    Fails,
    /// It is as good, and the case is over.
    Meets,
    /// The case says nothing; also if no answer comes at all.
    NoVerdict,
}

/// Something that an answer must be.
#[derive(Clone, Debug)]
pub enum Check {
    /// This function says what is wrong.
    Is(fn(&Answer) -> Result<(), String>),
    /// If it is the request that came back, it is the one that was sent.
    Copy(Sent),
}

/// What was sent, to be compared with what came back.
#[derive(Clone, Debug)]
pub enum Sent {
    /// The head: the same lines of each name, whatever the case of the names.
    Head(Vec<u8>),
    /// The head byte for byte, but for `Via`.
    HeadBytes(Vec<u8>),
    /// The body; none: none.
    Body(Option<Vec<u8>>),
    /// The trailer.
    Trailers(Vec<u8>),
}

impl Rule {
    /// Makes a MUST.
    pub const fn must(section: &'static str, claim: &'static str) -> Self {
        let level = Level::Must;
        Self {
            section,
            level,
            claim,
        }
    }

    /// Makes a SHOULD.
    pub const fn should(section: &'static str, claim: &'static str) -> Self {
        let level = Level::Should;
        Self {
            section,
            level,
            claim,
        }
    }

    /// Makes a MAY.
    pub const fn may(section: &'static str, claim: &'static str) -> Self {
        let level = Level::May;
        Self {
            section,
            level,
            claim,
        }
    }

    /// Makes a case for it.
    pub fn case(self, id: &'static str, steps: impl Into<Vec<Step>>) -> Case {
        Case {
            id,
            rule: self,
            steps: steps.into(),
            need: Need::Nothing,
            slow: false,
        }
    }
}

impl Case {
    /// Sets what the service must be like.
    pub fn needs(mut self, need: Need) -> Self {
        self.need = need;
        self
    }

    /// Lets it wait for the service's own deadlines.
    pub fn slow(mut self) -> Self {
        self.slow = true;
        self
    }
}

impl From<Message> for Step {
    fn from(message: Message) -> Self {
        Self::Send(message.bytes())
    }
}

impl From<Want> for Step {
    fn from(want: Want) -> Self {
        Self::Want(want)
    }
}

/// Sends a message and reads the answer.
pub fn ask(message: Message, want: Want) -> Vec<Step> {
    vec![message.into(), want.into()]
}

/// Sends a message and reads the answer, after which the connection is in step.
pub fn ask_on(message: Message, want: Want) -> Vec<Step> {
    vec![message.into(), want.into(), Step::Sound]
}

/// Accepts an answer with one of these statuses; none: any.
pub fn want(statuses: &[u16]) -> Want {
    Want {
        statuses: statuses.to_vec(),
        checks: Vec::new(),
        without: Without::Fails,
        rest: None,
    }
}

/// Accepts what a service answers that lets a request go on, in a place where it may say 204.
pub fn served() -> Want {
    want(&[200, 204])
}

/// Accepts one of these statuses, or that the connection is closed.
pub fn refused(statuses: &[u16]) -> Want {
    Want {
        without: Without::Meets,
        ..want(statuses)
    }
}

/// Judges an answer of any status, if there is one.
pub fn any() -> Want {
    Want {
        without: Without::NoVerdict,
        ..want(&[])
    }
}

impl Want {
    /// Adds what it must be.
    pub fn is(mut self, check: fn(&Answer) -> Result<(), String>) -> Self {
        self.checks.push(Check::Is(check));
        self
    }

    /// Adds what it must be if it is the request that came back.
    pub fn copy(mut self, copy: Sent) -> Self {
        self.checks.push(Check::Copy(copy));
        self
    }

    /// Adds that it is the request that was sent.
    pub fn copies(self, head: &str, body: Option<&[u8]>) -> Self {
        self.copy(Sent::Head(head.as_bytes().to_vec()))
            .copy(Sent::Body(body.map(<[u8]>::to_vec)))
    }

    /// Accepts 100 first: then `rest` and the end of the body are sent, and one of these statuses
    /// must follow.
    pub fn or_continue(mut self, rest: &[u8], statuses: &[u16]) -> Self {
        let rest = [rest, LAST.as_bytes()].concat();
        self.rest = Some((rest, statuses.to_vec()));
        self
    }
}
