//! What `/filter` sends to the HTTP client in place of an origin's answer.

/// An HTTP response: a head that ends with its empty line, and a body.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Page {
    pub(crate) head: String,
    pub(crate) body: &'static str,
}

/// Whether the client of a page reads a body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reads {
    HeadAndBody,
    /// The answer to a HEAD request ends with its head.
    Head,
}

/// Nothing of the request is repeated here, so nothing needs escaping.
const BLOCKED: &str = "<!doctype html>\n\
    <html lang=\"en\">\n\
    <head><meta charset=\"utf-8\"><title>Blocked</title></head>\n\
    <body><h1>Blocked</h1><p>The content filter of this network does not allow this page.</p></body>\n\
    </html>\n";

/// Returns the block page.
pub(crate) fn blocked(reads: Reads) -> Page {
    let head = format!(
        "HTTP/1.1 403 Forbidden\r\n\
         Content-Type: text/html; charset=utf-8\r\n\
         Content-Length: {}\r\n\
         Cache-Control: no-store\r\n\r\n",
        BLOCKED.len()
    );
    let body = match reads {
        Reads::HeadAndBody => BLOCKED,
        Reads::Head => "",
    };
    Page { head, body }
}

/// Returns a redirect to `location`.
pub(crate) fn redirect(location: &str) -> Page {
    debug_assert!(
        !location.contains(['\r', '\n']),
        "templates escape what they fill in"
    );
    let head = format!(
        "HTTP/1.1 302 Found\r\n\
         Location: {location}\r\n\
         Content-Length: 0\r\n\
         Cache-Control: no-store\r\n\r\n"
    );
    Page { head, body: "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_page_says_its_length() {
        let page = blocked(Reads::HeadAndBody);
        assert!(
            page.head
                .contains(&format!("Content-Length: {}\r\n", page.body.len()))
        );
        assert!(page.head.ends_with("\r\n\r\n"));
    }

    #[test]
    fn the_answer_to_head_is_the_same_head() {
        let page = blocked(Reads::Head);
        assert_eq!(page.head, blocked(Reads::HeadAndBody).head);
        assert_eq!(page.body, "");
    }

    #[test]
    fn a_redirect_is_not_kept() {
        let page = redirect("http://notice.example/?u=http%3A%2F%2Fa%2F");
        assert!(
            page.head
                .starts_with("HTTP/1.1 302 Found\r\nLocation: http://notice.example/?u=")
        );
        assert!(page.head.contains("\r\nCache-Control: no-store\r\n"));
    }
}
