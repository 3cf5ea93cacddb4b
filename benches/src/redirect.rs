//! Where a redirect goes.

use std::hint::black_box;

use policy::{RedirectFacts, RedirectTemplate};

use crate::Subject;

pub(crate) fn subjects() -> Vec<Subject> {
    let text = "http://notice.example/?imsi=%S&msisdn=%M&uri=%U";
    let template = RedirectTemplate::try_from(text.to_owned()).unwrap();
    let facts = RedirectFacts {
        msisdn: "111220000001",
        imsi: "10020000000007",
        uri: b"http://www.example.com/news/world/2026/some-article-title.html?source=feed&id=12345",
    };
    vec![Subject::new("redirect/all three codes", move || {
        template.format(black_box(facts))
    })]
}
