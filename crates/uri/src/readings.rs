use crate::escape::Decoding;
use crate::normal::{Base, Slack, URI_LEN_MAX, is_plain_target, shown, within_limit};
use crate::path::{Marks, Nul, Parameters, Reader, Role, Runs};
use crate::split::{Authority, Target, cleaned, is_slash, split, split_authority, typed};
use crate::{InvalidUri, NormalUri, Scheme};

/// Readings kept of one URI, the normal form included. Of a URI with more only the normal form
/// is kept, and [`Readings::are_all`] says so: a reading that is not judged is a way around the
/// lists.
///
/// Redirectors and click counters carry a whole URI in their path: escaped twice, with slashes,
/// question marks and parameters of its own. That makes 3 * 2 * 2 * 3 readings and no more.
pub const READINGS_MAX: usize = 36;

/// Kinds of server tried on one path. It bounds the work for a path that mixes everything; the
/// readings run out first in any path that was not made for the purpose.
const READERS_MAX: usize = 48;

/// Bytes of path and query read for one URI, all kinds of server together. A path may have many
/// kinds of server and yet one reading, and a long one must not keep a worker from its other
/// clients.
const READ_LEN_MAX: usize = 64 * 1024;

/// Every way in which servers may read one URI, the normal form first.
///
/// Most URIs have one reading. Where decoding the path once gives another path than the normal
/// form, or path parameters or an encoded NUL, slash or question mark let servers differ, there
/// are more; each is judged and the most restrictive action applies.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Readings {
    normal: NormalUri,
    others: Box<[NormalUri]>,
    are_all: bool,
}

impl Readings {
    /// Reads an absolute URI as text.
    ///
    /// # Errors
    ///
    /// Fails if the URI has no normal form.
    pub fn parse(text: &[u8]) -> Result<Self, InvalidUri> {
        if let Some(normal) = NormalUri::already_normal(text) {
            return Ok(Self::single(normal));
        }
        let text = within_limit(cleaned(text))?;
        let parts = split(&text)?;
        let base = Base::of(parts.scheme, &parts.authority, Slack(parts.target.len()))?;
        Self::of_parts(base, parts.target)
    }

    /// Reads a URI as people type it: `http` is meant where no scheme is written.
    ///
    /// # Errors
    ///
    /// Fails as [`Readings::parse`] does.
    pub fn parse_typed(text: &[u8]) -> Result<Self, InvalidUri> {
        Self::parse(&typed(text))
    }

    /// Reads what an HTTP request names: its authority as sent (`host`, `host:port`), and its
    /// target from the first slash or question mark. `port` replaces the port of the authority,
    /// as an intercepted connection knows better where it really goes.
    ///
    /// # Errors
    ///
    /// Fails if the authority is no valid host and port, or if its host cannot be written into a
    /// `Host` field without escapes.
    pub fn of_request(
        scheme: Scheme,
        authority: &[u8],
        path: &[u8],
        port: Option<u16>,
    ) -> Result<Self, InvalidUri> {
        if authority.len() + path.len() > URI_LEN_MAX {
            return Err(InvalidUri::TooLong);
        }
        if authority
            .iter()
            .any(|&b| is_slash(b) || matches!(b, b'?' | b'#'))
        {
            return Err(InvalidUri::Host(shown(authority)));
        }
        let mut authority = split_authority(authority)?;
        authority.port = port.or(authority.port);
        let base = Base::of(scheme, &authority, Slack(path.len()))?;
        // An origin gets the host in normal form. What is a host by its escapes alone, such as
        // `a%2Cb`, would be a list there, or nothing that RFC 3986 knows.
        if !base.host().bytes().all(is_in_an_authority) {
            return Err(InvalidUri::Host(shown(authority.host)));
        }
        Self::of_parts(base, path)
    }

    /// Reads a server name from a Client Hello: `https://name/`, with the port unless it is 443.
    ///
    /// # Errors
    ///
    /// Fails if the name is not a valid host.
    pub fn of_sni(name: &[u8], port: u16) -> Result<Self, InvalidUri> {
        if name.len() > URI_LEN_MAX {
            return Err(InvalidUri::TooLong);
        }
        let authority = Authority {
            host: name,
            port: Some(port),
        };
        Self::of_parts(Base::of(Scheme::Https, &authority, Slack(1))?, b"")
    }

    /// Returns the normal form.
    #[must_use]
    pub fn normal(&self) -> &NormalUri {
        &self.normal
    }

    /// Returns the readings beside the normal form.
    #[must_use]
    pub fn others(&self) -> &[NormalUri] {
        &self.others
    }

    /// Returns all readings, the normal form first.
    pub fn iter(&self) -> impl Iterator<Item = &NormalUri> {
        std::iter::once(&self.normal).chain(&self.others)
    }

    /// Returns whether these are all readings. If not, servers may read the path in more ways
    /// than are judged, and this is the normal form alone.
    #[must_use]
    pub fn are_all(&self) -> bool {
        self.are_all
    }

    fn single(normal: NormalUri) -> Self {
        Self {
            normal,
            others: Box::default(),
            are_all: true,
        }
    }

    fn of_parts(base: Base, target: &[u8]) -> Result<Self, InvalidUri> {
        if is_plain_target(target) {
            return Ok(Self::single(base.into_plain_uri(target)));
        }
        let (normal, marks) = base.into_uri(Target::without_fragment(target), Reader::NORMAL);
        if marks.leave_one_reading() && Target::with_number_sign(target).is_none() {
            return Ok(Self::single(normal));
        }
        let others = others(&normal, target, marks);
        Ok(Self {
            normal,
            are_all: others.is_ok(),
            others: others.unwrap_or_default(),
        })
    }
}

/// Servers may read a path in more ways than are judged.
struct TooMany;

/// Returns the readings beside the normal form.
fn others(normal: &NormalUri, target: &[u8], marks: Marks) -> Result<Box<[NormalUri]>, TooMany> {
    let mut others = Others {
        normal,
        uris: Vec::new(),
    };
    others.read(Target::without_fragment(target), marks)?;
    if let Some(uncut) = Target::with_number_sign(target) {
        let (_, marks) = Base::under(normal).into_uri(uncut, Reader::NORMAL);
        others.read(uncut, marks)?;
    }
    Ok(others.uris.into())
}

/// The readings found so far beside the normal form.
struct Others<'a> {
    normal: &'a NormalUri,
    uris: Vec<NormalUri>,
}

impl Others<'_> {
    /// Adds what every kind of server that may differ here makes of `target`.
    fn read(&mut self, target: Target<'_>, marks: Marks) -> Result<(), TooMany> {
        let run_before_dots = self.read_as(&readers(marks), target)?;
        if run_before_dots && !marks.run_before_dots {
            // Some run only shows without parameters or NUL: the one in `/a/;/..`.
            let marks = Marks {
                run_before_dots,
                ..marks
            };
            self.read_as(&readers(marks), target)?;
        }
        Ok(())
    }

    /// Adds what these kinds of server make of `target`. Returns whether one of them saw a double
    /// dot after an empty segment.
    fn read_as(&mut self, readers: &[Reader], target: Target<'_>) -> Result<bool, TooMany> {
        if readers.len() > READERS_MAX || readers.len() * target.len() > READ_LEN_MAX {
            return Err(TooMany);
        }
        let mut run_before_dots = false;
        for &reader in readers {
            let (uri, marks) = Base::under(self.normal).into_uri(target, reader);
            run_before_dots |= marks.run_before_dots;
            if uri == *self.normal || self.uris.contains(&uri) {
                continue;
            }
            if self.uris.len() + 1 >= READINGS_MAX {
                return Err(TooMany);
            }
            self.uris.push(uri);
        }
        Ok(run_before_dots)
    }
}

/// Returns the kinds of server that may differ about a path with these marks: every combination,
/// since an attacker picks the path for the one server that it is meant for.
fn readers(marks: Marks) -> Vec<Reader> {
    let mut readers = vec![Reader::NORMAL];
    let mut vary = |applies: bool, variants: &[fn(&mut Reader)]| {
        if !applies {
            return;
        }
        for reader in readers.clone() {
            readers.extend(variants.iter().map(|variant| {
                let mut reader = reader;
                variant(&mut reader);
                reader
            }));
        }
    };
    vary(
        marks.nested_escapes,
        &[
            |r| r.decoding = Decoding::Once,
            |r| r.decoding = Decoding::Twice,
        ],
    );
    vary(marks.encoded_slash, &[|r| r.slash = Role::Text]);
    vary(marks.backslash, &[|r| r.backslash = Role::Text]);
    vary(
        marks.question_mark,
        &[|r| r.question_mark = Role::Separator],
    );
    vary(
        marks.parameters,
        &[
            |r| r.parameters = Parameters::DroppedFirst,
            |r| r.parameters = Parameters::DroppedDecoded,
        ],
    );
    vary(
        marks.nul,
        &[|r| r.nul = Nul::Dropped, |r| r.nul = Nul::Ends],
    );
    vary(
        marks.run_before_dots,
        &[|r| r.runs = Runs::BeforeDotSegments],
    );
    readers
}

/// The bytes of a host and a port (RFC 3986 section 3.2) without the escapes of one, and without
/// the comma, which makes a list of it.
fn is_in_an_authority(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+;=[]:".contains(&byte)
}

#[cfg(test)]
mod tests;
