//! `weir up`: a demonstration that needs nothing but this program.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use service::{Drain, exit, telemetry};
use tracing::info;

use super::serve::{Addresses, Parts, Plan, Servers, Watch, runtime};
use crate::Failure;
use crate::cli::Up;
use crate::files::Files;

mod origin;

/// Names that the demonstration's origin answers for.
const HOSTS: [&str; 4] = [
    "casino.demo.example",
    "news.demo.example",
    "notice.demo.example",
    "play.demo.example",
];

/// What to try, and what the bundled policy makes of it.
const TRIES: [(&str, &str); 3] = [
    ("http://news.demo.example/", "200: news are passed"),
    (
        "http://casino.demo.example/",
        "403: gambling gets the block page",
    ),
    (
        "http://play.demo.example/",
        "302: games are redirected to a notice",
    ),
];

/// The files of the demonstration.
const BUNDLED: Files = Files::Bundled(&[
    (
        "categories/gambling/domains",
        include_str!("../../embedded/categories/gambling/domains"),
    ),
    (
        "categories/games/domains",
        include_str!("../../embedded/categories/games/domains"),
    ),
    (
        "categories/news/domains",
        include_str!("../../embedded/categories/news/domains"),
    ),
    ("demo.yaml", include_str!("../../../policies/demo.yaml")),
    ("weir.yaml", include_str!("../../embedded/weir.yaml")),
]);

/// Runs the demonstration until a signal ends it.
pub(crate) fn run(options: &Up, out: &mut dyn Write) -> Result<u8, Failure> {
    telemetry::start(telemetry::Format::Auto)?;
    runtime()?.block_on(async {
        let mut watch = Watch::start()?;
        let drain = Drain::default();
        let origin = origin::start(&drain).await?;
        info!(listener = "demonstration", address = %origin, "listening");
        let plan = plan(options, origin);
        let starting = Box::pin(Servers::start(&plan));
        let Some(servers) = watch.unless_ended(starting).await else {
            return Ok(exit::SUCCESS);
        };
        let mut servers = servers?;
        if let Some(proxy) = servers.proxy_address() {
            out.write_all(lines(proxy, options.config.is_none()).as_bytes())?;
            out.flush()?;
        }
        watch.run(&plan, &mut servers).await;
        let status = servers.stop().await;
        // Nobody is left whom the origin would owe an answer.
        let _ = drain.drain(Duration::ZERO).await;
        Ok(status)
    })
}

fn plan(options: &Up, origin: SocketAddr) -> Plan {
    let hosts: BTreeMap<String, SocketAddr> = HOSTS
        .iter()
        .map(|host| ((*host).to_owned(), origin))
        .collect();
    match &options.config {
        Some(path) => Plan {
            hosts,
            ..Plan::of_file(path, Parts::All)
        },
        None => Plan {
            files: BUNDLED,
            path: "weir.yaml".into(),
            parts: Parts::All,
            hosts,
            addresses: Some(Addresses {
                explicit: options.listen,
                icap: options.icap,
                admin: options.admin,
            }),
        },
    }
}

/// Returns the commands to try. What a policy of the user's makes of them is not known here.
fn lines(proxy: SocketAddr, bundled: bool) -> String {
    let line = |(uri, remark): &(&str, &str)| {
        let remark = if bundled {
            remark
        } else {
            "as your policy says"
        };
        format!("curl -x http://{proxy} -i {uri} # {remark}\n")
    };
    TRIES.iter().map(line).collect()
}

#[cfg(test)]
mod tests;
