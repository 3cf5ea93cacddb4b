//! Category files that are fetched from a URL: looked at before they take the place of the file in
//! use, in a thread of its own.

use std::fs::{self, File, TryLockError};
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use categories::Database;
use icap_server::PullOutcome;
use icap_server::config::Categories;
use minisign_verify::{PublicKey, Signature};

use self::fetch::Fetched;
use self::state::State;
use crate::files::sync_folder_of;
use crate::load::{CategoriesError, category_file};

mod fetch;
mod stamp;
mod state;

pub(crate) use self::stamp::Stamp;

/// The first wait after a failure; each further one is twice as long, up to the usual wait.
const BACK_OFF_MIN: Duration = Duration::from_secs(10);

/// The wait before the first attempt at most: those that start together should not ask together.
const FIRST_WAIT_MAX: Duration = Duration::from_secs(30);

/// Attempts that may write beside one file at once: that of a configuration that was replaced may
/// still be under way, and other processes may have the same file.
const PARTIALS_MAX: usize = 8;

/// Bytes of a signature file at most.
const SIGNATURE_LEN_MAX: u64 = 4 * 1024;

/// Why a file was not fetched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PullError {
    /// The request failed.
    #[error("there was no answer")]
    Unreachable(#[source] ureq::Error),
    /// The body broke off.
    #[error("the file was cut off: {read} of {len} bytes came")]
    CutOff {
        /// As announced.
        len: u64,
        /// As received.
        read: u64,
    },
    /// Redirects that are not followed.
    #[error("it leads elsewhere too often, or from `https:` to `http:`")]
    Redirects(#[source] ureq::Error),
    /// Neither 200 nor 304.
    #[error("the answer had the status {0}; look at the URL")]
    Status(u16),
    /// Longer than configured.
    #[error("the file has more than {0} bytes; raise `bytes_max` if it should have")]
    TooLong(u64),
    /// Later than configured.
    #[error("the answer took longer than `deadline_s`")]
    Late(#[source] ureq::Error),
    /// There is no signature beside the file.
    #[error("the signature has the status {0}; the URL of the file with `.minisig` must have it")]
    SignatureStatus(u16),
    /// What is beside the file is no signature.
    #[error("what is at the URL of the signature is none")]
    NoSignature,
    /// The signature is not that of the key, or of another file.
    #[error("the signature is not that of `minisign_key` for this file")]
    Signature(#[source] minisign_verify::Error),
    /// Signed before the file in use.
    #[error("the signature is older than that of the file in use; sign the file again to go back")]
    Older,
    /// Not a database.
    #[error("the file cannot be used")]
    Invalid(#[source] CategoriesError),
    /// The system refused.
    #[error("the file cannot be written beside the one in use")]
    NotWritten(#[source] io::Error),
    /// Those who sign for the host are not known.
    #[error("cannot use the certificates of `{0}`")]
    Authorities(PathBuf, #[source] io::Error),
}

/// A file that was fetched and is in its place.
#[derive(Debug)]
pub(crate) struct Pulled {
    pub(crate) database: Box<Database>,
    /// Of the file.
    pub(crate) stamp: Stamp,
}

/// How an attempt ended; none: the file is still the one.
pub(crate) type Attempt = Result<Option<Pulled>, PullError>;

/// A thread that fetches a file again and again. Dropping it ends the thread before its next
/// attempt, and what an attempt under way fetches is not used.
#[derive(Debug)]
pub(crate) struct Puller {
    given_up: Arc<AtomicBool>,
    _wake: mpsc::Sender<()>,
}

impl Puller {
    /// Starts the thread. `tell` gets every attempt; false: nobody listens any more.
    pub(crate) fn start(
        source: Categories,
        mut tell: impl FnMut(Attempt) -> bool + Send + 'static,
    ) -> io::Result<Option<Self>> {
        let Some(every) = source.pull.as_ref().map(|pull| pull.every) else {
            return Ok(None);
        };
        let given_up = Arc::new(AtomicBool::new(false));
        let (_wake, woken) = mpsc::channel();
        let ended = Arc::clone(&given_up);
        let mut wait = FIRST_WAIT_MAX.min(every / 10).mul_f64(random());
        let mut failures = 0;
        thread::Builder::new()
            .name("pull".to_owned())
            .spawn(move || {
                while woken.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                    let attempt = pull(&source, &ended);
                    failures = if attempt.is_ok() { 0 } else { failures + 1 };
                    wait = next_wait(every, failures, random());
                    if ended.load(Ordering::Relaxed) || !tell(attempt) {
                        return;
                    }
                }
            })?;
        Ok(Some(Self { given_up, _wake }))
    }
}

impl Drop for Puller {
    fn drop(&mut self) {
        self.given_up.store(true, Ordering::Relaxed);
    }
}

impl PullError {
    /// Returns how an attempt that ended so is counted.
    pub(crate) fn outcome(&self) -> PullOutcome {
        match self {
            Self::Unreachable(_) | Self::CutOff { .. } | Self::Authorities(..) => {
                PullOutcome::Unreachable
            }
            Self::Redirects(_) | Self::Status(_) => PullOutcome::Status,
            Self::TooLong(_) => PullOutcome::TooLong,
            Self::Late(_) => PullOutcome::Late,
            Self::SignatureStatus(_) | Self::NoSignature | Self::Signature(_) => {
                PullOutcome::Signature
            }
            Self::Older => PullOutcome::Older,
            Self::Invalid(_) => PullOutcome::Invalid,
            Self::NotWritten(_) => PullOutcome::NotWritten,
        }
    }

    fn of(error: ureq::Error) -> Self {
        let timed_out = matches!(error, ureq::Error::Timeout(_))
            || matches!(&error, ureq::Error::Io(cause) if cause.kind() == io::ErrorKind::TimedOut);
        let led_away = matches!(
            error,
            ureq::Error::TooManyRedirects
                | ureq::Error::RedirectFailed
                | ureq::Error::RequireHttpsOnly(_)
        );
        match (timed_out, led_away) {
            (true, _) => Self::Late(error),
            (false, true) => Self::Redirects(error),
            (false, false) => Self::Unreachable(error),
        }
    }
}

/// Fetches a file once. It takes the place of the one in use if it is another, has the signature
/// that it must have, and is a database; `given_up` is asked last.
pub(crate) fn pull(source: &Categories, given_up: &AtomicBool) -> Attempt {
    let Some(pull) = &source.pull else {
        return Ok(None);
    };
    let file = &source.path;
    let agent = fetch::agent(pull)?;
    let before = State::read(file);
    let known = before.as_ref().and_then(|state| state.known(pull, file));
    let mut partial = Partial::create(file).map_err(PullError::NotWritten)?;
    let validators = match fetch::file(&agent, pull, known, &mut partial.file)? {
        Fetched::Unchanged => return Ok(None),
        Fetched::New(validators) => validators,
    };
    partial.file.sync_all().map_err(PullError::NotWritten)?;
    let bytes = category_file(&partial.path).map_err(PullError::Invalid)?;
    let stamp = Stamp::of(&[&partial.path]);
    let mut state = State {
        url: pull.url.clone(),
        key: pull.minisign_key.clone(),
        signed_at: None,
        validators,
        stamp: stamp.as_str().to_owned(),
    };
    if let Some(key) = &pull.minisign_key {
        let url = signature_url(&pull.url);
        let text = match fetch::text(&agent, &url, SIGNATURE_LEN_MAX) {
            // Such as a page that says politely that there is none.
            Err(PullError::TooLong(_)) => return Err(PullError::NoSignature),
            text => text?,
        };
        state.signed_at = signed(key, &text, &bytes)?;
        let last = before.as_ref().and_then(|state| state.signed_at(pull));
        if last > state.signed_at {
            return Err(PullError::Older);
        }
    }
    let database = Database::from_bytes(bytes)
        .map_err(|cause| PullError::Invalid(CategoriesError::Invalid(file.clone(), cause)))?;
    if given_up.load(Ordering::Relaxed) {
        return Ok(None);
    }
    // A state of a file that is not there yet says nothing; a file without its state would be
    // fetched again, and might be replaced by an older one.
    let written = state.write(file, &partial.path);
    written.map_err(PullError::NotWritten)?;
    partial.rename(file).map_err(PullError::NotWritten)?;
    Ok(Some(Pulled {
        database: Box::new(database),
        stamp,
    }))
}

/// Verifies a signature, and returns when it was made, if its trusted comment says so.
fn signed(key: &str, signature: &str, bytes: &[u8]) -> Result<Option<u64>, PullError> {
    let signature = Signature::decode(signature).map_err(|_| PullError::NoSignature)?;
    let key = PublicKey::from_base64(key).map_err(PullError::Signature)?;
    let verified = key.verify(bytes, &signature, false);
    verified.map_err(PullError::Signature)?;
    let words = signature.trusted_comment().split_ascii_whitespace();
    let mut times = words.filter_map(|word| word.strip_prefix("timestamp:")?.parse().ok());
    Ok(times.next())
}

/// Returns where the signature of the file at `url` is: beside it.
fn signature_url(url: &str) -> String {
    match url.split_once('?') {
        Some((path, query)) => format!("{path}.minisig?{query}"),
        None => format!("{url}.minisig"),
    }
}

/// Returns how long to wait after an attempt: the usual time or a tenth more, or less after a
/// failure. `random` is 0 to 1.
fn next_wait(every: Duration, failures: u32, random: f64) -> Duration {
    let wait = match failures.checked_sub(1) {
        None => every,
        Some(doubled) => every.min(BACK_OFF_MIN.saturating_mul(1 << doubled.min(16))),
    };
    wait.mul_f64(1.0 + random / 10.0)
}

/// Returns a number from 0 to 1 that others do not have at the same time.
fn random() -> f64 {
    let bits = RandomState::new().hash_one(()) >> 40;
    f64::from(u32::try_from(bits).unwrap_or_default()) / f64::from(1 << 24)
}

/// A file that is being fetched, beside the one in use. It goes when it is dropped. Nobody else
/// writes it or takes it away: whoever fetches has a lock on it.
#[derive(Debug)]
struct Partial {
    path: PathBuf,
    file: File,
    /// Whether it took the place of the one in use.
    in_place: bool,
}

impl Partial {
    fn create(beside: &Path) -> io::Result<Self> {
        if beside.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        for nth in 0..PARTIALS_MAX {
            let mut path = beside.as_os_str().to_owned();
            path.push(".pulling");
            if nth > 0 {
                path.push(format!(".{nth}"));
            }
            if let Some(partial) = Self::create_at(path.into())? {
                return Ok(partial);
            }
        }
        let text = "too many others fetch the same file; give each process a file of its own";
        Err(io::Error::other(text))
    }

    /// Returns none if somebody else fetches there.
    fn create_at(path: PathBuf) -> io::Result<Option<Self>> {
        if fs::symlink_metadata(&path).is_ok_and(|there| there.is_file()) {
            // Nobody takes away what he has no lock on, so that nobody's file is taken for left.
            match File::open(&path) {
                Ok(left) if is_own(&left, &path) => fs::remove_file(&path)?,
                Ok(_) | Err(_) => return Ok(None),
            }
        }
        let file = match File::create_new(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
            file => file?,
        };
        let partial = is_own(&file, &path).then_some(Self {
            path,
            file,
            in_place: false,
        });
        Ok(partial)
    }

    fn rename(mut self, file: &Path) -> io::Result<()> {
        fs::rename(&self.path, file)?;
        self.in_place = true;
        sync_folder_of(file)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.in_place {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Locks a file that was opened at a path until it is closed. Returns whether it is the one at the
/// path, and nobody else's. Where a file system has no locks, it is nobody's.
fn is_own(file: &File, path: &Path) -> bool {
    let is_there = || {
        let (own, there) = (file.metadata()?, fs::symlink_metadata(path)?);
        io::Result::Ok(own.ino() == there.ino())
    };
    !matches!(file.try_lock(), Err(TryLockError::WouldBlock)) && is_there().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_tried_again_sooner_and_ever_later() {
        let every = Duration::from_secs(100);
        let waits = [0, 1, 2, 3, 4, 5, 40].map(|failures| next_wait(every, failures, 0.0));
        let seconds = waits.map(|wait| wait.as_secs());
        assert_eq!(seconds, [100, 10, 20, 40, 80, 100, 100]);
        assert_eq!(next_wait(every, 0, 1.0).as_secs(), 110);
        assert_eq!(next_wait(Duration::from_secs(1), 9, 0.0).as_secs(), 1);
    }

    #[test]
    fn numbers_are_from_0_to_1_and_differ() {
        let some: Vec<f64> = (0..64).map(|_| random()).collect();
        assert!(some.iter().all(|it| (0.0..1.0).contains(it)));
        assert!(some.iter().any(|it| (it - some[0]).abs() > 0.01));
    }

    #[test]
    fn the_signature_lies_beside_the_file() {
        for (url, expected) in [
            ("https://a.example/c.db", "https://a.example/c.db.minisig"),
            (
                "https://a.example/c.db?key=1?2",
                "https://a.example/c.db.minisig?key=1?2",
            ),
        ] {
            assert_eq!(signature_url(url), expected);
        }
    }

    #[test]
    fn attempts_at_the_same_time_have_files_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("c.db");
        let names = || {
            let entries = fs::read_dir(folder.path()).unwrap();
            let names = entries.map(|it| it.unwrap().file_name().into_string().unwrap());
            let mut names: Vec<String> = names.collect();
            names.sort();
            names
        };
        // What was left is nobody's.
        fs::write(folder.path().join("c.db.pulling"), "left").unwrap();
        let first = Partial::create(&file).unwrap();
        assert_eq!(fs::read(&first.path).unwrap(), b"");
        let second = Partial::create(&file).unwrap();
        assert_eq!(names(), ["c.db.pulling", "c.db.pulling.1"]);
        fs::write(&second.path, "second").unwrap();
        drop(first);
        assert_eq!(names(), ["c.db.pulling.1"]);
        second.rename(&file).unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"second");
        let third = Partial::create(&file).unwrap();
        assert_eq!(names(), ["c.db", "c.db.pulling"]);
        let others: Vec<_> = (1..PARTIALS_MAX)
            .map(|_| Partial::create(&file).unwrap())
            .collect();
        let error = Partial::create(&file).unwrap_err();
        assert!(error.to_string().contains("too many"), "{error}");
        drop((third, others));
        assert_eq!(names(), ["c.db"]);
        let error = Partial::create(folder.path()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
    }
}
