//! The pages that the proxy itself answers with.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Response, StatusCode};

use super::body::AnswerBody;

/// Bytes of a host shown on a page.
const HOST_LEN_MAX: usize = 253;

/// Returns the block page.
pub(super) fn blocked(host: &str) -> Response<AnswerBody> {
    let shown = shown(host);
    page(
        StatusCode::FORBIDDEN,
        "Blocked",
        &format!("<p>Your access to <b>{shown}</b> is blocked by the content filter.</p>"),
    )
}

/// Returns a page about a request that was not forwarded.
pub(super) fn failed(status: StatusCode, reason: &str) -> Response<AnswerBody> {
    let title = status.canonical_reason().unwrap_or("Error");
    page(status, title, &format!("<p>{}</p>", escape(reason)))
}

/// Returns a redirect.
pub(super) fn redirect(location: &str) -> Option<Response<AnswerBody>> {
    let location = HeaderValue::from_str(location).ok()?;
    let mut response = page(
        StatusCode::FOUND,
        "Redirect",
        "<p>You are sent to another page.</p>",
    );
    response.headers_mut().insert(LOCATION, location);
    Some(response)
}

fn page(status: StatusCode, title: &str, text: &str) -> Response<AnswerBody> {
    let page = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\n\
         <body style=\"font-family:sans-serif;max-width:40em;margin:4em auto;padding:0 1em\">\
         <h1>{title}</h1>\n{text}\n</body></html>\n"
    );
    let mut response = Response::new(AnswerBody::text(Bytes::from(page)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn shown(host: &str) -> String {
    escape(host.get(..HOST_LEN_MAX).unwrap_or(host))
}

fn escape(text: &str) -> String {
    text.chars()
        .map(|letter| match letter {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            '"' => "&quot;".to_owned(),
            '\'' => "&#39;".to_owned(),
            other => other.to_string(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_a_client_sends_is_markup() {
        assert_eq!(escape("<script>&'\""), "&lt;script&gt;&amp;&#39;&quot;");
        assert_eq!(shown(&"a".repeat(300)).len(), HOST_LEN_MAX);
    }

    #[test]
    fn a_location_with_a_line_feed_is_no_location() {
        assert!(redirect("http://a/\r\nX: y").is_none());
        let response = redirect("http://a/?b").unwrap();
        assert_eq!(response.status(), StatusCode::FOUND);
        assert_eq!(response.headers().get(CACHE_CONTROL).unwrap(), "no-store");
    }
}
