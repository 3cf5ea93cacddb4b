use std::path::PathBuf;

use policy::Diagnostic;
use service::exit;

use crate::excerpt;

/// Why a command could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Files are wrong; each remark is a line of its own.
    #[error("{}", summary(.0))]
    Configuration(Vec<Diagnostic>),
    /// A file cannot be read as what it should be.
    #[error("cannot use `{path}`; {hint}")]
    File {
        /// As given.
        path: PathBuf,
        /// What to do.
        hint: &'static str,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file cannot be written.
    #[error("cannot write `{path}`")]
    Write {
        /// As given.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A server did not start.
    #[error("the {what} did not start; {hint}")]
    Start {
        /// Which one.
        what: &'static str,
        /// What to do.
        hint: String,
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A gateway that was asked did not answer.
    #[error(
        "no answer from the gateway at `{address}`; give the `proxy.admin` address of one that runs"
    )]
    Gateway {
        /// As given.
        address: String,
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A gateway that was asked refused.
    #[error("{0}")]
    Refused(String),
    /// The command line asks for something that is not there.
    #[error("{0}")]
    Usage(String),
    /// Standard output or another part of the system failed.
    #[error("the system refused")]
    System(#[from] std::io::Error),
    /// The settings of the log are wrong.
    #[error("cannot write a log")]
    Log(#[from] service::telemetry::TelemetryError),
}

impl Failure {
    /// Returns the exit status.
    #[must_use]
    pub fn status(&self) -> u8 {
        match self {
            Self::Configuration(_) | Self::File { .. } | Self::Log(_) => exit::CONFIGURATION,
            Self::Start { .. } | Self::Gateway { .. } | Self::Write { .. } | Self::System(_) => {
                exit::SYSTEM
            }
            Self::Usage(_) => exit::USAGE,
            Self::Refused(_) => exit::FAILURE,
        }
    }

    /// Writes the failure to standard error.
    pub fn report(&self) {
        if let Self::Configuration(remarks) = self {
            excerpt::print(remarks);
        }
        service::report(self);
    }
}

/// Returns an error and its causes as one line.
pub(crate) fn one_line(error: &(dyn std::error::Error + 'static)) -> String {
    let text = service::describe(error);
    let text = text.trim_start_matches("error: ").trim_end();
    text.replace("\n  because: ", ": ")
}

fn summary(remarks: &[Diagnostic]) -> String {
    let errors = remarks
        .iter()
        .filter(|remark| remark.severity == policy::Severity::Error)
        .count();
    match errors {
        1 => "1 error in the files; correct it and try again".to_owned(),
        many => format!("{many} errors in the files; correct them and try again"),
    }
}
