use crate::question::append;
use crate::{Connection, Encapsulated, EncapsulatedBody, IsTag, Status};

/// The header fields of an answer to REQMOD. Values are written without control characters, so
/// none can end its line.
#[derive(Clone, Copy, Debug)]
pub struct ReplyFields<'a> {
    /// The state of the service.
    pub is_tag: &'a IsTag,
    /// The time, in the format of HTTP.
    pub date: Option<&'a str>,
    /// Whether the connection is closed after this answer.
    pub connection: Connection,
    /// X-Attribute: the categories, separated by commas; empty: the field is left out.
    pub attribute: &'a str,
    /// X-Attribute-Prefix.
    pub prefix: Option<u64>,
    /// X-ICAP-Profile.
    pub profile: Option<&'a str>,
    /// X-Response-Info: one word.
    pub response_info: Option<&'a str>,
    /// X-Response-Desc: one line.
    pub response_desc: Option<&'a str>,
    /// Cache-Control.
    pub cache_control: Option<&'a str>,
}

/// What a service offers.
#[derive(Clone, Copy, Debug)]
pub struct OptionsReply<'a> {
    /// The state of the service.
    pub is_tag: &'a IsTag,
    /// The time, in the format of HTTP.
    pub date: Option<&'a str>,
    /// Whether the connection is closed after this answer.
    pub connection: Connection,
    /// A description, for people.
    pub service: &'a str,
    /// Service-ID: one word that names the service.
    pub service_id: &'a str,
    /// How long the offer holds, in seconds.
    pub ttl_s: u32,
    /// How many connections one client may open.
    pub connections_max: usize,
    /// X-Include: the fields that are looked at, separated by commas.
    pub include: &'a str,
}

impl ReplyFields<'_> {
    /// Appends 204: the request may go on as it is.
    pub fn write_no_content(&self, out: &mut Vec<u8>) {
        self.write_head(Status::NoContent, out);
        out.extend_from_slice(b"\r\n");
    }

    /// Appends 200 with the head of the request as it came, and a `Via` line. A body follows as
    /// chunks ([`write_chunk`], [`write_last_chunk`]) exactly if the request had one.
    pub fn write_copy(&self, http_head: &[u8], body: EncapsulatedBody, out: &mut Vec<u8>) {
        const VIA: &[u8] = b"Via: ICAP/1.0 weir\r\n\r\n";
        let lines = http_head.strip_suffix(b"\r\n").unwrap_or(http_head);
        self.write_head(Status::Ok, out);
        let encapsulated = Encapsulated {
            request_head: Some(len_u32(lines.len() + VIA.len())),
            response_head: None,
            body,
        };
        append(out, format_args!("Encapsulated: {encapsulated}\r\n\r\n"));
        out.extend_from_slice(lines);
        out.extend_from_slice(VIA);
    }

    /// Appends 200 with an HTTP response: its head, which ends with an empty line, and its body,
    /// which may be empty. The head's Content-Length is the caller's to set.
    pub fn write_http_response(&self, http_head: &[u8], body: &[u8], out: &mut Vec<u8>) {
        self.write_head(Status::Ok, out);
        let encapsulated = Encapsulated {
            request_head: None,
            response_head: Some(len_u32(http_head.len())),
            body: match body {
                [] => EncapsulatedBody::Null,
                [_, ..] => EncapsulatedBody::Response,
            },
        };
        append(out, format_args!("Encapsulated: {encapsulated}\r\n\r\n"));
        out.extend_from_slice(http_head);
        if !body.is_empty() {
            write_chunk(body, out);
            write_last_chunk(&[], out);
        }
    }

    fn write_head(&self, status: Status, out: &mut Vec<u8>) {
        write_status(status, out);
        append(out, format_args!("ISTag: {}\r\n", self.is_tag));
        write_field("Date", self.date, out);
        write_connection(self.connection, out);
        write_field(
            "X-Attribute",
            Some(self.attribute).filter(|list| !list.is_empty()),
            out,
        );
        if let Some(prefix) = self.prefix {
            append(out, format_args!("X-Attribute-Prefix: {prefix}\r\n"));
        }
        write_field("X-ICAP-Profile", self.profile, out);
        write_field("X-Response-Info", self.response_info, out);
        write_field("X-Response-Desc", self.response_desc, out);
        write_field("Cache-Control", self.cache_control, out);
    }
}

impl OptionsReply<'_> {
    /// Appends the answer to OPTIONS.
    pub fn write(&self, out: &mut Vec<u8>) {
        write_status(Status::Ok, out);
        append(out, format_args!("Methods: REQMOD\r\n"));
        write_field("Service", Some(self.service), out);
        write_field("Service-ID", Some(self.service_id), out);
        append(out, format_args!("ISTag: {}\r\n", self.is_tag));
        write_field("Date", self.date, out);
        write_connection(self.connection, out);
        append(out, format_args!("Options-TTL: {}\r\n", self.ttl_s));
        append(
            out,
            format_args!("Max-Connections: {}\r\n", self.connections_max),
        );
        // 204 alone: some clients refuse any other word here.
        append(
            out,
            format_args!("Allow: 204\r\nPreview: 0\r\nTransfer-Preview: *\r\n"),
        );
        write_field(
            "X-Include",
            Some(self.include).filter(|list| !list.is_empty()),
            out,
        );
        append(out, format_args!("Encapsulated: null-body=0\r\n\r\n"));
    }
}

/// Appends 100 Continue: the rest of the body is wanted.
pub fn write_continue(out: &mut Vec<u8>) {
    out.extend_from_slice(b"ICAP/1.0 100 Continue\r\n\r\n");
}

/// Appends an error. The connection must be closed after it. It has a tag as every answer must
/// (RFC 3507 section 4.7).
pub fn write_error(status: Status, is_tag: &IsTag, out: &mut Vec<u8>) {
    write_status(status, out);
    append(out, format_args!("ISTag: {is_tag}\r\n"));
    write_connection(Connection::Close, out);
    append(out, format_args!("Encapsulated: null-body=0\r\n\r\n"));
}

/// Appends one chunk of a body; nothing if `bytes` is empty, since that would end the body.
pub fn write_chunk(bytes: &[u8], out: &mut Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    append(out, format_args!("{:x}\r\n", bytes.len()));
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// Appends the end of a body with its trailer: whole lines, without the empty one.
pub fn write_last_chunk(trailers: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n");
    out.extend_from_slice(trailers);
    out.extend_from_slice(b"\r\n");
}

fn write_status(status: Status, out: &mut Vec<u8>) {
    append(
        out,
        format_args!("ICAP/1.0 {} {}\r\n", status.code(), status.reason()),
    );
}

fn write_connection(connection: Connection, out: &mut Vec<u8>) {
    match connection {
        Connection::KeepAlive => {}
        Connection::Close => out.extend_from_slice(b"Connection: close\r\n"),
    }
}

fn write_field(name: &str, value: Option<&str>, out: &mut Vec<u8>) {
    let Some(value) = value else { return };
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend(value.bytes().filter(|byte| !byte.is_ascii_control()));
    out.extend_from_slice(b"\r\n");
}

/// Heads that are written here were read under a limit far below.
fn len_u32(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
