//! A case on a connection of its own.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::answer::{Answer, Read};
use super::case::{Case, Check, Need, Sent, Step, Want, Without};
use super::check;
use super::message::{self, options};
use super::target::Target;

/// How long a case may take.
pub const CASE_MAX: Duration = Duration::from_secs(5);

/// How long a case may take that waits for a deadline of the service.
pub const SLOW_CASE_MAX: Duration = Duration::from_secs(15);

/// Connections that a case opens at most to reach the limit that a service tells.
pub const FILL_MAX: usize = 128;

/// The connection was closed.
const CLOSED: &str = "closed";

/// Neither an answer nor a reason came.
const NO_ANSWER: &str = "no answer";

/// The connection was closed within an answer.
const CUT_OFF: &str = "closed within an answer";

/// What came of a case.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It is as required.
    Met(String),
    /// It is not; what was got.
    Failed(String),
    /// It says nothing about this service; why.
    NotJudged(String),
}

impl Verdict {
    /// Returns whether a closed connection made it what it is.
    pub fn is_by_closing(&self) -> bool {
        match self {
            Self::Met(got) | Self::Failed(got) => {
                [CLOSED, CUT_OFF].iter().any(|word| got.contains(word))
            }
            Self::NotJudged(why) => why.contains(NO_ANSWER),
        }
    }
}

/// Why a case ends before its last step.
enum Stop {
    Met(String),
    Failed(String),
    NotJudged(String),
}

/// What is to be sent.
enum Out {
    Bytes(Vec<u8>),
    End,
}

/// What was read.
enum Seen {
    Answer(Box<Answer>),
    /// The other side closed.
    Closed,
    /// No byte of an answer came, or not all of it.
    Silent,
    Bad(String),
}

struct Talk<'a> {
    target: &'a Target,
    stream: TcpStream,
    out: Sender<Out>,
    input: Vec<u8>,
    deadline: Instant,
    /// Statuses so far.
    got: Vec<String>,
    /// Whether the last answer said that the connection ends.
    last_said_close: bool,
    /// Connections that are kept open.
    others: Vec<TcpStream>,
}

/// Sends what a case sends, and judges what comes back.
pub fn run(case: &Case, target: &Target) -> Verdict {
    if let Some(reason) = lacks(case.need, target) {
        return Verdict::NotJudged(reason);
    }
    let limit = if case.slow { SLOW_CASE_MAX } else { CASE_MAX };
    let deadline = Instant::now() + limit;
    let stream = match TcpStream::connect_timeout(&target.address, limit) {
        Ok(stream) => stream,
        Err(error) => return Verdict::Failed(format!("no connection: {}", error.kind())),
    };
    let _ = stream.set_nodelay(true);
    let (out, sending) = channel();
    let Ok(writing) = stream.try_clone() else {
        return Verdict::Failed("no second handle".to_owned());
    };
    let mut talk = Talk {
        target,
        stream,
        out,
        input: Vec::new(),
        deadline,
        got: Vec::new(),
        last_said_close: false,
        others: Vec::new(),
    };
    let ended = thread::scope(|scope| {
        // A writer of its own: who writes all before it reads would wait for a service that
        // does the same.
        scope.spawn(move || write_all(writing, &sending));
        let ended = case.steps.iter().try_for_each(|step| talk.step(step));
        let _ = talk.stream.shutdown(Shutdown::Both);
        let got = talk.got.join(", ");
        drop(talk);
        ended.map(|()| got)
    });
    match ended {
        Ok(got) => Verdict::Met(got),
        Err(Stop::Met(got)) => Verdict::Met(got),
        Err(Stop::Failed(got)) => Verdict::Failed(got),
        Err(Stop::NotJudged(why)) => Verdict::NotJudged(why),
    }
}

fn write_all(mut stream: TcpStream, sending: &Receiver<Out>) {
    while let Ok(out) = sending.recv() {
        let written = match out {
            Out::Bytes(bytes) => stream.write_all(&bytes),
            Out::End => stream.shutdown(Shutdown::Write),
        };
        // What the other side made of it is for the reader to see.
        if written.is_err() {
            return;
        }
    }
}

fn lacks(need: Need, target: &Target) -> Option<String> {
    let responds = target.methods.iter().any(|method| method == "RESPMOD");
    match need {
        Need::Nothing => None,
        Need::Respmod => (!responds).then(|| "no RESPMOD here".to_owned()),
        Need::NoRespmod => responds.then(|| "RESPMOD is offered here".to_owned()),
        Need::FewConnections => match target.connections_max {
            Some(1..=FILL_MAX) => None,
            Some(_) => Some("too many connections to open".to_owned()),
            None => Some("no Max-Connections told".to_owned()),
        },
    }
}

impl Talk<'_> {
    fn step(&mut self, step: &Step) -> Result<(), Stop> {
        match step {
            Step::Send(bytes) => self.send(bytes),
            Step::Drip(bytes) => {
                for byte in message::fill(bytes, &self.target.authority, &self.target.path) {
                    let _ = self.out.send(Out::Bytes(vec![byte]));
                }
            }
            Step::Cut(bytes, want) => {
                let bytes = message::fill(bytes, &self.target.authority, &self.target.path);
                for at in 1..bytes.len() {
                    let (first, second) = bytes.split_at(at);
                    let _ = self.out.send(Out::Bytes(first.to_vec()));
                    let _ = self.out.send(Out::Bytes(second.to_vec()));
                    self.want(want)?;
                    self.got.clear();
                }
            }
            Step::Want(want) => self.want(want)?,
            Step::HalfClose => {
                let _ = self.out.send(Out::End);
            }
            Step::Closed => self.closed()?,
            Step::Ends => self.ends()?,
            Step::Sound => {
                self.send(&options().bytes());
                let seen = self.read();
                self.sound(seen)?;
            }
            Step::AsTold if self.last_said_close => self.closed()?,
            Step::AsTold => return self.step(&Step::Sound),
            Step::Fill => self.fill()?,
        }
        Ok(())
    }

    /// Sends without waiting. A failure shows in what is read.
    fn send(&mut self, bytes: &[u8]) {
        let bytes = message::fill(bytes, &self.target.authority, &self.target.path);
        let _ = self.out.send(Out::Bytes(bytes));
    }

    fn want(&mut self, want: &Want) -> Result<(), Stop> {
        let mut seen = self.read();
        let mut statuses = &want.statuses;
        if let (Seen::Answer(answer), Some((rest, after))) = (&seen, &want.rest)
            && answer.status == 100
        {
            self.send(rest);
            statuses = after;
            seen = self.read();
        }
        let answer = match (seen, want.without) {
            (Seen::Answer(answer), _) => answer,
            (Seen::Closed, Without::Meets) => return Err(Stop::Met(self.told(CLOSED))),
            (Seen::Closed | Seen::Silent, Without::NoVerdict) => {
                return Err(Stop::NotJudged(self.told(NO_ANSWER)));
            }
            (Seen::Closed, Without::Fails) => {
                return Err(Stop::Failed(self.told("closed without an answer")));
            }
            (Seen::Silent, Without::Fails | Without::Meets) => {
                return Err(Stop::Failed(self.told("no answer in time")));
            }
            (Seen::Bad(why), _) => return Err(Stop::Failed(self.told(&why))),
        };
        if !statuses.is_empty() && !statuses.contains(&answer.status) {
            return Err(Stop::Failed(self.got.join(", ")));
        }
        for it in &want.checks {
            self.check(it, &answer)?;
        }
        Ok(())
    }

    fn check(&self, check: &Check, answer: &Answer) -> Result<(), Stop> {
        let judged = match check {
            Check::Is(check) => check(answer),
            Check::Copy(_) if answer.is_response() => {
                let why = "answered with an HTTP response";
                return Err(Stop::NotJudged(self.told(why)));
            }
            Check::Copy(_) if answer.status == 204 => Ok(()),
            Check::Copy(Sent::Head(sent)) => check::head(answer, sent),
            Check::Copy(Sent::HeadBytes(sent)) => check::head_bytes(answer, sent),
            Check::Copy(Sent::Body(sent)) => check::body(answer, sent.as_deref()),
            Check::Copy(Sent::Trailers(sent)) => check::trailers(answer, sent),
        };
        judged.map_err(|why| Stop::Failed(self.told(&why)))
    }

    fn closed(&mut self) -> Result<(), Stop> {
        match self.read() {
            Seen::Closed => Ok(()),
            Seen::Silent => Err(Stop::Failed(self.told("then left open"))),
            Seen::Answer(_) => Err(Stop::Failed(self.told("then another answer"))),
            Seen::Bad(why) => Err(Stop::Failed(self.told(&why))),
        }
    }

    fn ends(&mut self) -> Result<(), Stop> {
        match self.read() {
            Seen::Closed => Ok(()),
            Seen::Answer(_) => self.closed(),
            Seen::Silent => Err(Stop::Failed(self.told("left open"))),
            // What was under way stopped there.
            Seen::Bad(why) if why == CUT_OFF => Ok(()),
            Seen::Bad(why) => Err(Stop::Failed(self.told(&why))),
        }
    }

    fn sound(&mut self, seen: Seen) -> Result<(), Stop> {
        let why = match seen {
            Seen::Answer(answer) if answer.field("Methods").is_some() => return Ok(()),
            Seen::Answer(_) => "then out of step".to_owned(),
            Seen::Closed => "then closed".to_owned(),
            Seen::Silent => "then no answer to OPTIONS".to_owned(),
            Seen::Bad(why) => format!("then out of step: {why}"),
        };
        Err(Stop::Failed(self.told(&why)))
    }

    /// Opens as many connections beside this one as the service takes, and uses each.
    fn fill(&mut self) -> Result<(), Stop> {
        let count = self.target.connections_max.unwrap_or(1);
        let request = options().bytes();
        let request = message::fill(&request, &self.target.authority, &self.target.path);
        for _ in 0..count {
            let other = TcpStream::connect_timeout(&self.target.address, CASE_MAX);
            let other = other.and_then(|mut other| {
                other.set_read_timeout(Some(CASE_MAX))?;
                other.write_all(&request)?;
                let mut answer = [0; 16];
                other.read_exact(&mut answer)?;
                Ok(other)
            });
            match other {
                Ok(other) => self.others.push(other),
                Err(error) => {
                    let why = format!(
                        "connection {} of {count}: {}",
                        self.others.len() + 2,
                        error.kind()
                    );
                    return Err(Stop::Failed(self.told(&why)));
                }
            }
        }
        Ok(())
    }

    /// Reads the next answer.
    fn read(&mut self) -> Seen {
        loop {
            if !self.input.is_empty() {
                match Answer::read(&self.input) {
                    Read::Answer(answer, used) => {
                        self.input.drain(..used);
                        self.got.push(answer.status.to_string());
                        self.last_said_close = answer.lists("Connection", "close");
                        return Seen::Answer(answer);
                    }
                    Read::Bad(why) => return Seen::Bad(why),
                    Read::NeedMore => {}
                }
            }
            let left = self.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return self.silent();
            }
            let _ = self.stream.set_read_timeout(Some(left));
            let mut buffer = vec![0; 256 * 1024];
            match self.stream.read(&mut buffer) {
                Ok(0) => return self.ended(),
                Ok(len) => self.input.extend_from_slice(&buffer[..len]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_timeout(error.kind()) => return self.silent(),
                Err(_) => return self.ended(),
            }
        }
    }

    fn silent(&self) -> Seen {
        if self.input.is_empty() {
            return Seen::Silent;
        }
        Seen::Bad("an answer without end".to_owned())
    }

    fn ended(&self) -> Seen {
        if self.input.is_empty() {
            return Seen::Closed;
        }
        Seen::Bad(CUT_OFF.to_owned())
    }

    /// Says what was got so far, and this.
    fn told(&self, what: &str) -> String {
        if self.got.is_empty() {
            return what.to_owned();
        }
        format!("{}: {what}", self.got.join(", "))
    }
}

fn is_timeout(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
