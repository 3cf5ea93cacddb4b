//! What is asked of `/explain`, and its bounds.

use super::*;
use crate::fixture::{config, content, worker};

fn explainer(workers: Vec<mpsc::Sender<Look>>) -> Explainer {
    let worker = worker(config(), content("forbidden", "block"));
    Explainer::new(Arc::clone(&worker.shared), workers)
}

#[tokio::test]
async fn wrong_questions_are_told_what_is_right() {
    let explainer = explainer(Vec::new());
    for (query, expected) in [
        ("", "use either `uri=` or `sni=`"),
        ("uri=http://a/&sni=a", "use either `uri=` or `sni=`"),
        ("uri=&sni", "use either `uri=` or `sni=`"),
        (
            "uri=a.example",
            "`a.example` has no scheme; use `uri=http://a.example`, or `sni=a.example` for TLS",
        ),
        (
            "url=http://a/",
            "`url` is not known here; use `uri`, `sni`, `client`, `profile`, `destination` or \
             `format`",
        ),
        ("sni=a&sni=b", "`sni` is here twice"),
        ("sni=%ff", "`sni` is not UTF-8"),
        ("sni=a&client=10.0.0", "`client=10.0.0` is no IP address"),
        (
            "sni=a&destination=a.example",
            "`destination=a.example` is no IP address",
        ),
        (
            "sni=a&format=xml",
            "`xml` is no format; use `text` or `json`",
        ),
        (
            "sni=a&profile=child",
            "no profile is called `child`; use `test`",
        ),
    ] {
        let expected = Explained::Wrong(expected.to_owned());
        assert_eq!(explainer.answer(query).await, expected, "{query}");
    }
}

#[tokio::test]
async fn values_are_escaped() {
    let explainer = explainer(Vec::new());
    let query = "uri=http%3A%2F%2Fx.bad.example%2F%3Fa%3D1%26b%2B&client=::ffff:10.0.0.1";
    let Explained::Text(text) = explainer.answer(query).await else {
        panic!("it is answered");
    };
    let expected = "requested         http://x.bad.example/?a=1&b+
normal form       http://x.bad.example/?a=1&b+
client            10.0.0.1
session           none is known
profile           test
cache             no entry at 0 workers
lists             bad.example in block_list: block
action            block, from block_list
decision          block, from block_list (bad.example)
enforcement       403 with the block page
";
    assert_eq!(text, expected);
    let bypassed = "uri=http://bad.example/&destination=192.0.2.9&format=json";
    let Explained::Json(text) = explainer.answer(bypassed).await else {
        panic!("it is answered");
    };
    assert!(text.contains(r#""source":"bypass""#), "{text}");
}

/// A worker that never looks costs no more than [`WORKERS_WAIT_MAX`], and questions beyond those
/// that are answered at once are turned away.
#[tokio::test(start_paused = true)]
async fn a_worker_that_does_not_answer_holds_nobody_up() {
    let (stuck, _waiting) = mpsc::channel(LOOKS_WAITING_MAX);
    let (full, _never) = mpsc::channel(1);
    let (gone, ended) = mpsc::channel(1);
    drop(ended);
    let explainer = explainer(vec![stuck, full.clone(), gone]);
    let (reply, _) = oneshot::channel();
    let asked = Arc::new(Asked {
        rules: explainer.shared.rules(&explainer.shared.live.load()),
        profile: None,
        requested: Requested::server_name("a"),
        destination: None,
    });
    full.try_send(Look { asked, reply }).unwrap();
    let started = tokio::time::Instant::now();
    let ask = || explainer.answer("sni=bad.example");
    let (first, second, third) = tokio::join!(ask(), ask(), ask());
    assert_eq!(started.elapsed(), WORKERS_WAIT_MAX);
    for answer in [first, second] {
        let Explained::Text(text) = answer else {
            panic!("it is answered");
        };
        let told = "cache             3 of 3 workers did not answer in time\n";
        assert!(text.contains(told), "{text}");
    }
    let told = "2 questions are being answered; ask again".to_owned();
    assert_eq!(third, Explained::Busy(told));
    let Explained::Text(_) = ask().await else {
        panic!("there is room again");
    };
}
