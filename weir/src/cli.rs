//! The command line.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use filter::AskError;
use jiff::Timestamp;
use policy::Warning;
use policy::written::or;

pub use crate::command::diff::Format;

pub mod sessions;

pub use sessions::Sessions;

/// Content-filtering gateway: judges each web request by a policy file, and passes, blocks or
/// redirects it.
#[derive(Clone, Debug, Parser)]
#[command(name = "weir", version, max_term_width = 100)]
#[command(
    after_help = "Example:\n  weir up\n\nThen, in another terminal, one of the lines that it prints."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Try it out: proxy and ICAP server with a bundled policy, without root, files or Internet
    #[command(after_help = "Example:\n  weir up --listen 127.0.0.1:8128")]
    Up(Up),
    /// Run the proxy
    #[command(
        after_help = "Example:\n  weir proxy --config /etc/weir/weir.yaml\n\nSIGHUP reads \
                            the files again; SIGTERM lets connections finish and ends."
    )]
    Proxy(Serve),
    /// Run the ICAP server
    #[command(
        after_help = "Example:\n  weir icap-server --config /etc/weir/weir.yaml\n\nSIGHUP \
                            reads the files again; SIGTERM lets connections finish and ends."
    )]
    IcapServer(Serve),
    /// Read configuration, policy and test files and tell all that is wrong with them
    #[command(
        after_help = "Example:\n  weir check weir.yaml policies/*.yaml\n  weir check \
                            --categories categories.db --deny-warnings policies/family.yaml\n\n\
                            Exits with 78 if a file cannot be used."
    )]
    Check(Check),
    /// Run policy tests
    #[command(
        after_help = "Example:\n  weir test policies --coverage --fail-under 100\n  weir test \
                            policies --format junit > results.xml\n\nExits with 1 if a case fails \
                            or less is covered than asked for."
    )]
    Test(Test),
    /// Show every step of one decision
    #[command(
        after_help = "Example:\n  weir explain --policy policies/family.yaml --profile child \
                            --categories games,gambling http://play.example/\n  weir explain \
                            --admin http://127.0.0.1:9090 --client 10.1.2.3 http://play.example/"
    )]
    Explain(Explain),
    /// Replay requests through two policies and show which decisions change
    #[command(
        after_help = "Example:\n  weir diff policies/family.yaml new.yaml --requests access.log\n  \
                            cut -d' ' -f7 list | weir diff old.yaml new.yaml --requests - --json"
    )]
    Diff(PolicyDiff),
    /// List, get, put and delete the live sessions of a gateway that runs
    #[command(
        after_help = "Example:\n  weir sessions list --admin http://127.0.0.1:9090 --token-file \
                            admin.tokens\n\nThe token is one of `sessions.admin`, and goes over \
                            plain HTTP: use it on the gateway itself, or in a network that is \
                            trusted."
    )]
    Sessions {
        /// What to do with them.
        #[command(subcommand)]
        command: Sessions,
    },
    /// Print the completion script of a shell
    #[command(after_help = "Example:\n  weir completions bash > \
                            /usr/share/bash-completion/completions/weir")]
    Completions {
        /// Whose
        #[arg(value_name = "SHELL")]
        shell: Shell,
    },
    /// Write the manual pages into a folder
    #[command(after_help = "Example:\n  weir man /usr/local/share/man/man1")]
    Man {
        /// An existing folder
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
    /// Build and query category files
    #[command(after_help = "Example:\n  weir categories build lists -o categories.db")]
    Categories {
        /// What to do with them.
        #[command(subcommand)]
        command: Categories,
    },
}

/// Options of `up`.
#[derive(Args, Clone, Debug)]
pub struct Up {
    /// Use this configuration instead of the bundled one
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where the bundled proxy listens; port 0 takes any free port
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:3128",
        conflicts_with = "config"
    )]
    pub listen: SocketAddr,
    /// Where the bundled ICAP server listens
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:1344",
        conflicts_with = "config"
    )]
    pub icap: SocketAddr,
    /// Where the bundled configuration serves /metrics and /ready
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:9090",
        conflicts_with = "config"
    )]
    pub admin: SocketAddr,
}

/// Options of the servers.
#[derive(Args, Clone, Debug)]
pub struct Serve {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
}

/// Options of `check`.
#[derive(Args, Clone, Debug)]
pub struct Check {
    /// The files
    #[arg(required_unless_present = "schema", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Be silent about warnings of this name, which stands in brackets behind each
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = Warning::of_name)]
    pub allow: Vec<Warning>,
    /// Exit with 78 on warnings too
    #[arg(long)]
    pub deny_warnings: bool,
    /// Compare the categories of policies and tests with those of a built file or a directory of
    /// lists
    #[arg(long, value_name = "FILE")]
    pub categories: Option<PathBuf>,
    /// Print the JSON Schema of this kind of file
    #[arg(long, value_name = "KIND", value_enum, conflicts_with = "files")]
    pub schema: Option<Schema>,
}

/// A kind of file that has a schema.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Schema {
    /// Policy files
    Policy,
    /// Policy tests
    Test,
    /// Configurations
    Config,
}

/// Options of `test`.
#[derive(Args, Clone, Debug)]
pub struct Test {
    /// Test files, and directories with files *.test.yaml at any depth
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// How results are printed
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = ResultFormat::Text)]
    pub format: ResultFormat,
    /// Tell which entries, categories, actions and profiles of the policies decided no case
    #[arg(long)]
    pub coverage: bool,
    /// Exit with 1 if cases cover less than this of the policies together; implies --coverage
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    pub fail_under: Option<u8>,
    /// Run again whenever a file changes, until interrupted
    #[arg(long)]
    pub watch: bool,
}

/// How results of tests are printed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum ResultFormat {
    /// For people
    Text,
    /// The XML that CI systems read
    Junit,
    /// Test Anything Protocol, version 14
    Tap,
    /// One JSON object
    Json,
}

/// Options of `explain`.
#[derive(Args, Clone, Debug)]
#[command(group = ArgGroup::new("against").required(true).args(["policy", "admin"]))]
pub struct Explain {
    /// The policy file
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Ask the gateway with this `proxy.admin` address, such as http://127.0.0.1:9090: its policy,
    /// its caches, its ICAP services, its sessions
    #[arg(
        long,
        value_name = "URL",
        conflicts_with_all = ["categories", "icap", "icap_failure", "now"]
    )]
    pub admin: Option<String>,
    /// The address of the client, whose session the gateway looks up
    #[arg(long, value_name = "ADDRESS", conflicts_with = "policy")]
    pub client: Option<IpAddr>,
    /// The address that the client dialled, for `bypass`
    #[arg(long, value_name = "ADDRESS")]
    pub destination: Option<IpAddr>,
    /// The profile of the session; without it the policy's default profile
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// What the categorizer answers, separated by commas
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        conflicts_with = "icap"
    )]
    pub categories: Option<Vec<String>>,
    /// Ask this ICAP service, such as icap://127.0.0.1:1344/categorize
    #[arg(long, value_name = "URI")]
    pub icap: Option<String>,
    /// How the categorizer fails: connect, timeout, protocol, status, overload or breaker_open
    #[arg(
        long,
        value_name = "CLASS",
        value_parser = failure_class,
        conflicts_with_all = ["categories", "icap"]
    )]
    pub icap_failure: Option<AskError>,
    /// When, such as 2026-11-20T21:30[Europe/Madrid]; without it, now
    #[arg(long, value_name = "MOMENT", value_parser = policy::moment)]
    pub now: Option<Timestamp>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Enforce as on a TLS connection; an https URI implies it
    #[arg(long)]
    pub tls: bool,
    /// What is requested: a URI, or with --tls a server name
    #[arg(value_name = "URI")]
    pub uri: String,
}

/// Options of `weir diff`.
#[derive(Args, Clone, Debug)]
pub struct PolicyDiff {
    /// The policy file in force
    #[arg(value_name = "OLD")]
    pub old: PathBuf,
    /// The policy file to compare with it
    #[arg(value_name = "NEW")]
    pub new: PathBuf,
    /// The requests; - for standard input
    #[arg(long, value_name = "FILE")]
    pub requests: PathBuf,
    /// How they are written; without it, the first line tells
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<Format>,
    /// The profile of all requests; without it that of each line, or the policy's default profile
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Categories of requests whose lines have none: a built file, or a directory of lists
    #[arg(long, value_name = "FILE")]
    pub categories: Option<PathBuf>,
    /// When all requests were, such as 2026-11-20T21:30[Europe/Madrid]; without it as each line
    /// says, or outside all schedules
    #[arg(long, value_name = "MOMENT", value_parser = policy::moment)]
    pub now: Option<Timestamp>,
    /// Examples shown of each change
    #[arg(long, value_name = "NUMBER", default_value_t = 3)]
    pub examples: usize,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Exit with 1 if a decision changes
    #[arg(long)]
    pub exit_code: bool,
}

/// What to do with categories.
#[derive(Clone, Debug, Subcommand)]
pub enum Categories {
    /// Compile lists into one file
    #[command(
        after_help = "Example:\n  weir categories build /var/lib/lists -o categories.db\n  weir \
                            categories build ut1.tar.gz -o categories.db\n  weir categories build \
                            sources.yaml -o categories.db --json\n\nThe new file takes the place \
                            of the old one when it has been read back, its canaries answer, and \
                            each category has 90 % of its rules left."
    )]
    Build(Build),
    /// Print the categories of URIs
    #[command(
        after_help = "Example:\n  weir categories lookup categories.db http://play.example/\n  \
                            cut -d' ' -f7 access.log | weir categories lookup categories.db -\n  \
                            weir categories lookup categories.db --overrides local.txt --json \
                            http://play.example/\n\n\
                            Prints the URI, its categories and the length of the prefix that has \
                            the same ones, separated by tabs."
    )]
    Lookup(Lookup),
    /// Count what is in it
    #[command(
        after_help = "Example:\n  weir categories stats categories.db\n  weir categories stats \
                            categories.db --json"
    )]
    Stats {
        /// A built file, or a directory of lists
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the rules that differ, and count them by category
    #[command(
        after_help = "Example:\n  weir categories diff categories.db categories.new\n  weir \
                            categories diff --summary --json categories.db categories.new\n\n\
                            A rule that came has `+`, one that went `-`, and `~` one whose look-up \
                            gives other categories."
    )]
    Diff(Diff),
}

/// Options of `categories build`.
#[derive(Args, Clone, Debug)]
pub struct Build {
    /// A folder or a tar file (.gz, .xz, .zst) with a folder for each category, in the layout of
    /// squidGuard: domains, urls and expressions; or a file of sources that ends in .yaml
    #[arg(value_name = "SOURCE")]
    pub source: PathBuf,
    /// Where to write
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Build even if more than 1 % of the lines of a list are bad
    #[arg(long)]
    pub allow_bad: bool,
    /// Replace the file even if a category has less than 90 % of its rules left
    #[arg(long)]
    pub force: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `categories lookup`.
#[derive(Args, Clone, Debug)]
pub struct Lookup {
    /// A built file, or a directory of lists
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The URIs, or - for lines of standard input
    #[arg(value_name = "URI", required = true)]
    pub uris: Vec<String>,
    /// A file of domains and URIs with their categories, which replace those of the lists
    #[arg(long, value_name = "FILE")]
    pub overrides: Option<PathBuf>,
    /// Print JSON, one object a line
    #[arg(long)]
    pub json: bool,
}

/// Options of `categories diff`.
#[derive(Args, Clone, Debug)]
pub struct Diff {
    /// A built file, or a directory of lists
    #[arg(value_name = "OLD")]
    pub old: PathBuf,
    /// A built file, or a directory of lists
    #[arg(value_name = "NEW")]
    pub new: PathBuf,
    /// Count by category alone
    #[arg(long)]
    pub summary: bool,
    /// Print JSON, one object a line
    #[arg(long)]
    pub json: bool,
}

fn failure_class(word: &str) -> Result<AskError, String> {
    AskError::of_word(word)
        .ok_or_else(|| format!("use {}", or(&AskError::ALL.map(AskError::as_str))))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn explain_is_told_where_to_ask() {
        for (arguments, expected) in [
            (&[][..], "<--policy <FILE>|--admin <URL>>"),
            (
                &["--policy", "p.yaml", "--admin", "a"],
                "'--policy <FILE>' cannot be used with '--admin <URL>'",
            ),
            (
                &["--policy", "p.yaml", "--client", "10.1.2.3"],
                "'--policy <FILE>' cannot be used with '--client <ADDRESS>'",
            ),
            (
                &["--admin", "a", "--categories", "games"],
                "'--admin <URL>' cannot be used with '--categories <NAMES>'",
            ),
        ] {
            let words = ["weir", "explain", "http://a/"].iter().chain(arguments);
            let text = Cli::try_parse_from(words).unwrap_err().to_string();
            assert!(text.contains(expected), "{arguments:?}: {text}");
        }
        let words = [
            "weir",
            "explain",
            "--admin",
            "a",
            "--client",
            "::1",
            "http://a/",
        ];
        assert!(Cli::try_parse_from(words).is_ok());
    }

    #[test]
    fn every_command_shows_an_example() {
        let mut commands = vec![Cli::command()];
        while let Some(mut command) = commands.pop() {
            let help = command.render_long_help().to_string();
            assert!(help.contains("Example:\n  "), "{help}");
            commands.extend(
                command
                    .get_subcommands()
                    .filter(|it| it.get_name() != "help")
                    .cloned(),
            );
        }
    }
}
