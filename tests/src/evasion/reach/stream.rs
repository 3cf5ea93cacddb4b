//! The requests that some origin could find in the bytes of a connection.

use std::collections::BTreeSet;
use std::ops::Range;

/// A request as some origin may read it.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Request {
    /// What may be its target, and what may be its host.
    Read {
        targets: Vec<Vec<u8>>,
        hosts: Vec<Vec<u8>>,
    },
    /// Bytes in the place of a request that are none.
    Unread,
}

/// What ends a line.
#[derive(Clone, Copy, Debug)]
enum LineEnd {
    Crlf,
    Lf,
    /// A CR too.
    Either,
}

const LINE_ENDS: [LineEnd; 3] = [LineEnd::Crlf, LineEnd::Lf, LineEnd::Either];

/// Returns every request: the one at the start, and whatever follows it where some origin may end
/// its body.
pub(super) fn requests(bytes: &[u8]) -> BTreeSet<Request> {
    let mut requests = BTreeSet::new();
    let mut starts = vec![(0, Trust::Sure)];
    let mut seen = BTreeSet::from([0]);
    while let Some((start, trust)) = starts.pop() {
        let blank = |byte: &&u8| byte.is_ascii_whitespace();
        let start = start + bytes[start..].iter().take_while(blank).count();
        if start == bytes.len() {
            continue;
        }
        for line_end in LINE_ENDS {
            let Some(head) = head(bytes, start, line_end) else {
                if trust == Trust::Sure {
                    requests.insert(Request::Unread);
                }
                continue;
            };
            let (ends, next) = head.ends(bytes);
            let mut hosts = head.hosts_of_trailers(bytes);
            let next = if next == Trust::Sure { trust } else { next };
            let new = ends.into_iter().filter(|end| seen.insert(*end));
            starts.extend(new.map(|end| (end, next)));
            hosts.extend(head.hosts);
            requests.insert(Request::Read {
                targets: head.targets,
                hosts,
            });
        }
    }
    requests
}

/// Whether every origin finds a request in this place, or only some.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Trust {
    Sure,
    Perhaps,
}

#[derive(Debug)]
struct Head {
    targets: Vec<Vec<u8>>,
    hosts: Vec<Vec<u8>>,
    lengths: Vec<Field>,
    codings: Vec<Field>,
    end: usize,
}

#[derive(Debug)]
struct Field {
    /// Written as RFC 9112 writes it.
    is_plain: bool,
    value: Vec<u8>,
}

/// Reads the head at `start`, if there is something like one. A head that does not end is read
/// too: some answer after the first line.
fn head(bytes: &[u8], start: usize, line_end: LineEnd) -> Option<Head> {
    let (line, mut at) = line(bytes, start, line_end);
    let mut head = Head {
        targets: targets(&line)?,
        hosts: Vec::new(),
        lengths: Vec::new(),
        codings: Vec::new(),
        end: bytes.len(),
    };
    while at < bytes.len() {
        let (field, next) = self::line(bytes, at, line_end);
        at = next;
        if field.is_empty() {
            head.end = at;
            break;
        }
        head.add(&field);
    }
    Some(head)
}

fn line(bytes: &[u8], start: usize, line_end: LineEnd) -> (Vec<u8>, usize) {
    let rest = &bytes[start..];
    let is_end = |window: &[u8]| match line_end {
        LineEnd::Crlf => window.starts_with(b"\r\n"),
        LineEnd::Lf => window.starts_with(b"\n"),
        LineEnd::Either => matches!(window.first(), Some(b'\r' | b'\n')),
    };
    let Some(len) = (0..rest.len()).find(|at| is_end(&rest[*at..])) else {
        return (rest.to_vec(), bytes.len());
    };
    let mut line = rest[..len].to_vec();
    let mut end = start + len + 1;
    if rest[len] == b'\r' && rest.get(len + 1) == Some(&b'\n') {
        end += 1;
    }
    while line.last() == Some(&b'\r') {
        line.pop();
    }
    (line, end)
}

/// Returns what may be the target of a request line: what follows the first word, with and without
/// the last word.
fn targets(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let words: Vec<&[u8]> = line
        .split(|byte| byte.is_ascii_whitespace() || matches!(byte, 0x0b | 0))
        .filter(|word| !word.is_empty())
        .collect();
    let (method, others) = words.split_first()?;
    let is_in_method = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
    if others.is_empty() || !method.iter().all(is_in_method) || *method == b"PRI" {
        return None;
    }
    let mut targets = vec![others[0].to_vec(), others.join(&b' ')];
    if let [before @ .., _] = others
        && !before.is_empty()
    {
        targets.push(before.join(&b' '));
    }
    targets.dedup();
    if is_version(others.last()?) && others.len() > 1 {
        // Whoever reads this far takes the version off.
        targets.retain(|target| !ends_in_a_version(target));
    }
    Some(targets)
}

fn ends_in_a_version(target: &[u8]) -> bool {
    let mut words = target.rsplit(|byte| *byte == b' ');
    words.next().is_some_and(is_version)
}

fn is_version(word: &[u8]) -> bool {
    word.to_ascii_uppercase().starts_with(b"HTTP/")
}

impl Head {
    fn add(&mut self, line: &[u8]) {
        let colon = line.iter().position(|byte| *byte == b':');
        let (name, value) = match colon {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &b""[..]),
        };
        if matches!(line.first(), Some(b' ' | b'\t')) && colon.is_none() {
            // A folded line may belong to any field before it.
            if let Some(value) = self.hosts.last_mut() {
                value.extend_from_slice(line);
            }
        }
        // CGI and its kind make one character of many.
        let dashed = |byte: &u8| match byte.to_ascii_lowercase() {
            byte if byte.is_ascii_alphanumeric() => byte,
            _ => b'-',
        };
        let is_blank = |byte: &u8| byte.is_ascii_whitespace() || byte.is_ascii_control();
        let bare: Vec<u8> = name.iter().filter(|b| !is_blank(b)).map(dashed).collect();
        let value: Vec<u8> = value.trim_ascii().to_vec();
        let is_plain = name.iter().all(|b| b.is_ascii_alphabetic() || *b == b'-');
        match bare.as_slice() {
            b"host" => self.hosts.push(value),
            b"content-length" => self.lengths.push(Field { is_plain, value }),
            b"transfer-encoding" => self.codings.push(Field { is_plain, value }),
            _ => {}
        }
    }

    /// Returns what may be a Host for those who take fields of a trailer section for fields of the
    /// head.
    fn hosts_of_trailers(&self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let body = &bytes[self.end..];
        let is_chunked = !self.codings.is_empty() && !matches!(clean(body), Clean::End(_));
        let walks = LINE_ENDS.iter().filter(|_| is_chunked);
        walks
            .filter_map(|line_end| chunked(body, *line_end, Sizes::Whole))
            .flat_map(|trailers| body[trailers].split(|byte| b"\r\n".contains(byte)))
            .filter(|line| line.to_ascii_lowercase().starts_with(b"host"))
            .filter_map(|line| line.splitn(2, |byte| *byte == b':').nth(1))
            .map(<[u8]>::to_vec)
            .collect()
    }

    /// Returns where the request may end, and whether all agree.
    fn ends(&self, bytes: &[u8]) -> (Vec<usize>, Trust) {
        let body = &bytes[self.end..];
        let after = |len: u64| {
            let len = usize::try_from(len).unwrap_or(usize::MAX);
            self.end + len.min(body.len())
        };
        match (&self.lengths[..], &self.codings[..]) {
            ([], []) => return (vec![self.end], Trust::Sure),
            ([length], []) if length.is_plain && is_number(&length.value) => {
                let lengths = numbers(&length.value);
                return (lengths.into_iter().map(after).collect(), Trust::Sure);
            }
            ([], [coding]) if coding.is_plain && coding.value.eq_ignore_ascii_case(b"chunked") => {
                match clean(body) {
                    Clean::End(len) => return (vec![self.end + len], Trust::Sure),
                    Clean::Open => return (Vec::new(), Trust::Sure),
                    Clean::No => {}
                }
            }
            (_, _) => {}
        }
        let mut ends = vec![self.end];
        for length in &self.lengths {
            ends.extend(numbers(&length.value).into_iter().map(after));
        }
        for line_end in LINE_ENDS {
            for sizes in [Sizes::Whole, Sizes::Cut] {
                ends.extend(chunked(body, line_end, sizes).map(|trailers| self.end + trailers.end));
            }
        }
        (ends, Trust::Perhaps)
    }
}

fn is_number(value: &[u8]) -> bool {
    !value.is_empty() && value.iter().all(u8::is_ascii_digit) && value.len() < 19
}

/// Returns every number that somebody reads in a Content-Length.
fn numbers(value: &[u8]) -> Vec<u64> {
    String::from_utf8_lossy(value)
        .split([',', ' ', '\t', ';'])
        .filter_map(|part| {
            let part = part.trim_start_matches(['+', '"']);
            let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
            let hexadecimal = part.strip_prefix("0x");
            hexadecimal.map_or_else(
                || digits.parse().ok(),
                |digits| u64::from_str_radix(digits, 16).ok(),
            )
        })
        .collect()
}

/// How large sizes of chunks are read.
#[derive(Clone, Copy, Debug)]
enum Sizes {
    Whole,
    /// As numbers of 32 bits, which lose the rest.
    Cut,
}

/// Returns where the trailer section of a chunked body is, if the body ends.
fn chunked(body: &[u8], line_end: LineEnd, sizes: Sizes) -> Option<Range<usize>> {
    let mut at = 0;
    loop {
        let (size_line, next) = line(body, at, line_end);
        let size = size(&size_line, sizes)?;
        at = next;
        if size == 0 {
            break;
        }
        at = at.checked_add(usize::try_from(size).ok()?)?;
        if at >= body.len() {
            return None;
        }
        at = line(body, at, line_end).1;
    }
    let start = at;
    while at < body.len() {
        let (field, next) = line(body, at, line_end);
        at = next;
        if field.is_empty() {
            return Some(start..at);
        }
    }
    None
}

fn size(line: &[u8], sizes: Sizes) -> Option<u64> {
    let text = String::from_utf8_lossy(line);
    let text = text.trim().trim_start_matches(['+', '-']);
    let text = text.strip_prefix("0x").unwrap_or(text);
    let digits: String = text.chars().take_while(char::is_ascii_hexdigit).collect();
    let number = u128::from_str_radix(&digits, 16).ok()?;
    match sizes {
        Sizes::Whole => u64::try_from(number).ok(),
        Sizes::Cut => Some(u64::from(u32::try_from(number & 0xffff_ffff).ok()?)),
    }
}

/// Whether a chunked body is as RFC 9112 writes it, without extensions and trailers: then all
/// read it in one way.
enum Clean {
    /// It ends after so many bytes.
    End(usize),
    /// So far, and there is more to come.
    Open,
    No,
}

fn clean(body: &[u8]) -> Clean {
    let mut at = 0;
    loop {
        if crate::client::find(&body[at..], b"\r\n").is_none() {
            return Clean::Open;
        }
        let (size_line, next) = line(body, at, LineEnd::Crlf);
        let is_plain =
            (1..=15).contains(&size_line.len()) && size_line.iter().all(u8::is_ascii_hexdigit);
        let size = is_plain.then(|| size(&size_line, Sizes::Whole)).flatten();
        let Some(size) = size.and_then(|size| usize::try_from(size).ok()) else {
            return Clean::No;
        };
        let end = next.saturating_add(size);
        match body.get(end..end.saturating_add(2)) {
            None => return Clean::Open,
            Some(b"\r\n") if size == 0 => return Clean::End(end + 2),
            Some(b"\r\n") => at = end + 2,
            Some(_) => return Clean::No,
        }
    }
}
