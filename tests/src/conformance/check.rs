//! What an answer must be, each with what is wrong if it is not.

use super::answer::Answer;

type Judged = Result<(), String>;

fn unless(good: bool, why: impl Into<String>) -> Judged {
    if good { Ok(()) } else { Err(why.into()) }
}

/// There is an `ISTag`.
pub fn is_tag(answer: &Answer) -> Judged {
    unless(answer.field("ISTag").is_some(), "no ISTag")
}

/// There is one `ISTag`, and it is a quoted string.
pub fn is_tag_quoted(answer: &Answer) -> Judged {
    let tag = answer.field("ISTag").unwrap_or_default();
    let inner = tag
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let good = inner.is_some_and(|inner| !inner.contains('"'));
    unless(good, format!("ISTag: {tag}"))
}

/// The `ISTag` has 1 to 32 bytes.
pub fn is_tag_len(answer: &Answer) -> Judged {
    let tag = answer.field("ISTag").unwrap_or_default();
    let len = tag.trim_matches('"').len();
    unless((1..=32).contains(&len), format!("ISTag of {len} bytes"))
}

/// There is an `Encapsulated`.
pub fn encapsulated(answer: &Answer) -> Judged {
    unless(!answer.sections.is_empty(), "no Encapsulated")
}

/// If there is a body, `Encapsulated` says so; without one, there is no body.
pub fn no_body(answer: &Answer) -> Judged {
    unless(answer.body.is_none(), "a body")
}

/// The sections are those of an answer to OPTIONS.
pub fn options_shape(answer: &Answer) -> Judged {
    let shape = answer.shape();
    let good = ["opt-body", "null-body"].contains(&shape.as_str());
    unless(good, format!("Encapsulated: {shape}"))
}

/// The sections are those of an answer to REQMOD.
pub fn reqmod_shape(answer: &Answer) -> Judged {
    let shape = answer.shape();
    let grammar = [
        "req-hdr req-body",
        "req-hdr null-body",
        "req-body",
        "null-body",
        "res-hdr res-body",
        "res-hdr null-body",
        "res-body",
    ];
    let good = answer.status == 204 || grammar.contains(&shape.as_str());
    answer.unframed.clone().map_or(Ok(()), Err)?;
    unless(good, format!("Encapsulated: {shape}"))
}

/// The sections are those of an answer to RESPMOD.
pub fn respmod_shape(answer: &Answer) -> Judged {
    let shape = answer.shape();
    let grammar = [
        "res-hdr res-body",
        "res-hdr null-body",
        "res-body",
        "null-body",
    ];
    let good = answer.status == 204 || grammar.contains(&shape.as_str());
    answer.unframed.clone().map_or(Ok(()), Err)?;
    unless(good, format!("Encapsulated: {shape}"))
}

/// An HTTP head begins with its start line.
pub fn start_lines(answer: &Answer) -> Judged {
    let good = answer.heads.iter().all(|head| {
        let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
        line.starts_with(b"HTTP/") || line.windows(6).any(|part| part == b" HTTP/")
    });
    unless(good, "a head without a start line")
}

/// There is no `Transfer-Encoding` in the ICAP head.
pub fn no_transfer_encoding(answer: &Answer) -> Judged {
    let value = answer.field("Transfer-Encoding");
    unless(value.is_none(), "Transfer-Encoding")
}

/// No chunk has an extension.
pub fn no_ieof(answer: &Answer) -> Judged {
    let found = answer.chunk_lines.iter().find(|line| line.contains("ieof"));
    unless(found.is_none(), "ieof in the answer")
}

/// `Connection: close` is not said.
pub fn stays(answer: &Answer) -> Judged {
    unless(!answer.lists("Connection", "close"), "Connection: close")
}

/// `Methods` is there, and names something.
pub fn methods(answer: &Answer) -> Judged {
    let methods = answer.field("Methods").unwrap_or_default();
    let known = ["REQMOD", "RESPMOD"];
    let good = known.iter().any(|method| answer.lists("Methods", method));
    unless(good, format!("Methods: {methods}"))
}

/// `Methods` has no OPTIONS.
pub fn methods_without_options(answer: &Answer) -> Judged {
    unless(!answer.lists("Methods", "OPTIONS"), "OPTIONS in Methods")
}

/// `Methods` has one method.
pub fn one_method(answer: &Answer) -> Judged {
    let methods = answer.field("Methods").unwrap_or_default();
    unless(!methods.contains(','), format!("Methods: {methods}"))
}

/// `Methods` is a list with commas, of words.
pub fn methods_list(answer: &Answer) -> Judged {
    let methods = answer.field("Methods").unwrap_or_default();
    let word = |word: &str| !word.is_empty() && !word.contains(' ');
    let good = methods.split(',').map(str::trim).all(word);
    unless(good, format!("Methods: {methods}"))
}

/// `Opt-body-type` is there exactly if there is an opt-body.
pub fn opt_body_type(answer: &Answer) -> Judged {
    let told = answer.field("Opt-body-type").is_some();
    let has = answer.shape() == "opt-body";
    unless(told == has, "Opt-body-type and opt-body differ")
}

/// If there are Transfer-* fields, exactly one has the `*`.
pub fn transfer_star(answer: &Answer) -> Judged {
    let names = ["Transfer-Preview", "Transfer-Ignore", "Transfer-Complete"];
    let told = names.iter().filter(|name| answer.field(name).is_some());
    let stars = names.iter().filter(|name| answer.lists(name, "*")).count();
    unless(told.count() == 0 || stars == 1, format!("{stars} with `*`"))
}

/// A preview is not offered and at once excluded.
pub fn preview_is_meant(answer: &Answer) -> Judged {
    let offered = answer.field("Preview").is_some();
    let useful = answer.field("Transfer-Preview").is_some();
    unless(!offered || useful, "Preview without Transfer-Preview")
}

/// These fields are numbers, where they are.
pub fn numbers(answer: &Answer) -> Judged {
    let names = ["Max-Connections", "Options-TTL", "Preview"];
    for name in names {
        let value = answer.field(name).unwrap_or_else(|| "0".to_owned());
        unless(value.parse::<u64>().is_ok(), format!("{name}: {value}"))?;
    }
    Ok(())
}

/// `Allow` has 204.
pub fn allows_204(answer: &Answer) -> Judged {
    unless(answer.lists("Allow", "204"), "no Allow: 204")
}

/// `Preview` is told.
pub fn preview(answer: &Answer) -> Judged {
    unless(answer.field("Preview").is_some(), "no Preview")
}

/// `Service` is told.
pub fn service(answer: &Answer) -> Judged {
    unless(answer.field("Service").is_some(), "no Service")
}

/// `Options-TTL` is told.
pub fn ttl(answer: &Answer) -> Judged {
    unless(answer.field("Options-TTL").is_some(), "no Options-TTL")
}

/// `Max-Connections` is told.
pub fn max_connections(answer: &Answer) -> Judged {
    let told = answer.field("Max-Connections").is_some();
    unless(told, "no Max-Connections")
}

/// `Date` is told.
pub fn date_told(answer: &Answer) -> Judged {
    unless(answer.field("Date").is_some(), "no Date")
}

/// `Date`, where it is, has the format of RFC 1123.
pub fn date(answer: &Answer) -> Judged {
    let Some(date) = answer.field("Date") else {
        return Ok(());
    };
    let shape: String = date
        .chars()
        .map(|character| match character {
            '0'..='9' => '9',
            'a'..='z' => 'a',
            'A'..='Z' => 'A',
            other => other,
        })
        .collect();
    unless(
        shape == "Aaa, 99 Aaa 9999 99:99:99 AAA",
        format!("Date: {date}"),
    )
}

/// Fields that ICAP does not define begin with X-.
pub fn known_fields(answer: &Answer) -> Judged {
    const KNOWN: &[&str] = &[
        "Allow",
        "Cache-Control",
        "Connection",
        "Date",
        "Encapsulated",
        "Expires",
        "ISTag",
        "Keep-Alive",
        "Max-Connections",
        "Methods",
        "Opt-body-type",
        "Options-TTL",
        "Pragma",
        "Preview",
        "Proxy-Authenticate",
        "Server",
        "Service",
        "Service-ID",
        "Trailer",
        "Transfer-Complete",
        "Transfer-Ignore",
        "Transfer-Preview",
        "Upgrade",
        "Via",
        "WWW-Authenticate",
    ];
    let defined = |name: &str| KNOWN.iter().any(|known| known.eq_ignore_ascii_case(name));
    let extension = |name: &str| {
        name.get(..2)
            .is_some_and(|it| it.eq_ignore_ascii_case("x-"))
    };
    let other = answer
        .fields
        .iter()
        .find(|(name, _)| !defined(name) && !extension(name));
    other.map_or(Ok(()), |(name, _)| Err(format!("field {name}")))
}

/// If the request came back, ICAP/1.0 is in its `Via`.
pub fn via(answer: &Answer) -> Judged {
    let added = vias(answer).iter().any(|value| value.contains("ICAP/1.0"));
    unless(!answer.is_request() || added, "no Via with ICAP/1.0")
}

/// Every `Via` that was added names ICAP/1.0. What was sent is `1.1 before`.
pub fn via_protocol(answer: &Answer) -> Judged {
    let words = vias(answer).join(",");
    let mut added = words.split(',').map(str::trim);
    let wrong = added.find(|value| {
        !value.is_empty() && *value != "1.1 before" && !value.starts_with("ICAP/1.0 ")
    });
    wrong.map_or(Ok(()), |value| Err(format!("Via: {value}")))
}

/// `1.1 before` is still the first `Via`.
pub fn via_kept(answer: &Answer) -> Judged {
    let words = vias(answer).join(",");
    let first = words.split(',').next().unwrap_or_default().trim();
    let good = !answer.is_request() || first == "1.1 before";
    unless(good, format!("the first Via is `{first}`"))
}

fn vias(answer: &Answer) -> Vec<String> {
    let head = answer.heads.first().map(Vec::as_slice).unwrap_or_default();
    fields(head)
        .into_iter()
        .filter(|(name, _)| name == "via")
        .map(|(_, value)| value)
        .collect()
}

/// Reads the lines after the first: names in lower case, values without the space around them.
fn fields(head: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(head);
    text.split("\r\n")
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect()
}

fn copied(answer: &Answer) -> Result<&[u8], String> {
    if !answer.is_request() {
        return Err(format!("no request came back: {}", answer.shape()));
    }
    Ok(answer.heads.first().map(Vec::as_slice).unwrap_or_default())
}

/// The start line and the values of every field came back, but for `Via`.
pub fn head(answer: &Answer, sent: &[u8]) -> Judged {
    let got = copied(answer)?;
    let line = |head: &[u8]| -> Vec<u8> {
        let end = head.iter().position(|byte| *byte == b'\r');
        head[..end.unwrap_or(head.len())].to_vec()
    };
    unless(line(got) == line(sent), "another request line")?;
    let sorted = |head: &[u8]| {
        let mut fields = fields(head);
        fields.retain(|(name, _)| name != "via");
        // The order of fields of one name stays; that of names means nothing.
        fields.sort_by(|a, b| a.0.cmp(&b.0));
        fields
    };
    unless(sorted(got) == sorted(sent), "other fields")
}

/// The head came back byte for byte, but for `Via`.
pub fn head_bytes(answer: &Answer, sent: &[u8]) -> Judged {
    let got = copied(answer)?;
    let lines = |head: &[u8]| -> Vec<String> {
        let text = String::from_utf8_lossy(head);
        let lines = text.split("\r\n");
        let other = lines.filter(|line| !line.to_ascii_lowercase().starts_with("via:"));
        other.map(str::to_owned).collect()
    };
    unless(lines(got) == lines(sent), "other bytes in the head")
}

/// The body came back.
pub fn body(answer: &Answer, sent: Option<&[u8]>) -> Judged {
    copied(answer)?;
    // A body of no bytes may come back as `null-body`, and the other way round.
    let got = answer.body.as_deref().unwrap_or_default();
    let sent = sent.unwrap_or_default();
    let why = format!("{} bytes of {} came back, or others", got.len(), sent.len());
    unless(got == sent, why)
}

/// The trailer came back.
pub fn trailers(answer: &Answer, sent: &[u8]) -> Judged {
    copied(answer)?;
    unless(answer.trailers == sent, "no trailer, or another")
}
