use std::path::PathBuf;
use std::{fs, io::Read as _};

use crate::harness::{Client, started};

/// Every request that Squid and c-icap-client sent to another ICAP server gets an answer that
/// they take: one that RFC 3507 allows for what the request offers.
#[tokio::test]
async fn recorded_requests_get_acceptable_answers() {
    let server = started().await;
    let address = server.addresses()[0];
    let recorded = recorded();
    assert_eq!(recorded.len(), 64);
    for (name, request) in recorded {
        let request = to_categorize(&request);
        let expected = expected(&request);
        for cut in [
            0,
            1,
            request.len() / 3,
            request.len() / 2,
            request.len() - 1,
        ] {
            let mut client = Client::connect(address);
            client.send(&request[..cut]);
            std::thread::yield_now();
            client.send(&request[cut..]);
            let mut status = [0; 12];
            client.0.read_exact(&mut status).unwrap();
            let status = String::from_utf8_lossy(&status);
            assert_eq!(
                status,
                format!("ICAP/1.0 {expected}"),
                "{name} cut at {cut}"
            );
        }
    }
}

fn recorded() -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fixtures/icap");
    let mut recorded: Vec<(String, Vec<u8>)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "req"))
        .map(|path| (path.display().to_string(), fs::read(path).unwrap()))
        .collect();
    recorded.sort();
    recorded
}

/// Replaces the service in the request line. `nosuch` stays what it is.
fn to_categorize(request: &[u8]) -> Vec<u8> {
    let end = request
        .windows(2)
        .position(|bytes| bytes == b"\r\n")
        .unwrap();
    let line = String::from_utf8(request[..end].to_vec()).unwrap();
    let line = ["/url_check ", "/echo ", "/ex206 "]
        .iter()
        .fold(line, |line, service| line.replace(service, "/categorize "));
    [line.as_bytes(), &request[end..]].concat()
}

fn expected(request: &[u8]) -> u16 {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let head = text.split("\r\n\r\n").next().unwrap();
    let offers_204 = head.lines().any(|line| {
        line.starts_with("preview:") || line.starts_with("allow:") && line.contains("204")
    });
    match head.split(' ').next().unwrap() {
        "options" if head.contains("/nosuch ") => 404,
        "options" => 200,
        "reqmod" if offers_204 => 204,
        "reqmod" => 200,
        "respmod" => 405,
        other => panic!("{other}"),
    }
}
