//! Categories that change while the ICAP server runs, without a signal: files that are looked at,
//! and files that are fetched.

use std::path::Path;
use std::sync::Arc;

use categories::Database;
use icap_server::PullOutcome;
use policy::{Diagnostic, PolicySet};
use sessions::Directory;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use tracing::{info, warn};

use super::log;
use crate::config::{Config, IcapServer};
use crate::files::Files;
use crate::pull::{self, Attempt, PullError, Pulled, Puller, Stamp};
use crate::{Failure, load};

/// Attempts that wait to be looked at.
const ATTEMPTS_MAX: usize = 1;

/// What the ICAP server answers from but for the categories, as it was when they were read.
#[derive(Debug)]
pub(super) struct Basis {
    pub(super) server: IcapServer,
    policy: Option<Arc<PolicySet>>,
    policy_tag: String,
    sessions: Directory,
}

/// The basis in force, and who looks for new categories.
#[derive(Debug)]
pub(super) struct Follow {
    basis: Basis,
    /// The files that were read last, whether or not they could be used.
    seen: Seen,
    /// Files that changed, until they are seen the same twice.
    changing: Option<Seen>,
    look: Option<Interval>,
    attempts: mpsc::Receiver<Attempt>,
    puller: Option<Puller>,
}

/// The files that categories are read from, as they were when they were looked at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Seen {
    categories: Stamp,
    overrides: Option<Stamp>,
}

/// What may have made categories new.
#[derive(Debug)]
pub(super) enum News {
    /// It is time to look at the files.
    Look,
    /// A file was fetched, or was not.
    Attempt(Attempt),
}

impl Basis {
    /// Returns what a configuration says of the ICAP server, if it has one.
    pub(super) fn of(config: &Config) -> Option<Self> {
        Some(Self {
            server: config.icap_server.clone()?,
            policy: config.policy.clone(),
            policy_tag: config.tag.clone(),
            sessions: config.sessions.clone(),
        })
    }

    /// Reads the categories.
    pub(super) fn read(
        &self,
        files: Files,
        path: &Path,
    ) -> Result<icap_server::Content, Vec<Diagnostic>> {
        let (database, warnings) = load::categories(files, path, &self.server)?;
        log(&warnings);
        Ok(self.with(database))
    }

    /// Puts the overrides on a database that was fetched.
    fn overridden(
        &self,
        files: Files,
        path: &Path,
        database: Database,
    ) -> Result<icap_server::Content, Vec<Diagnostic>> {
        let (database, warnings) = load::overrides(files, path, &self.server, database)?;
        log(&warnings);
        Ok(self.with(database))
    }

    fn with(&self, database: Database) -> icap_server::Content {
        icap_server::Content {
            database: Arc::new(database),
            policy: self.policy.clone(),
            policy_tag: self.policy_tag.clone(),
            sessions: self.sessions.clone(),
        }
    }

    /// Looks at the files that categories are read from.
    pub(super) fn look(&self) -> Seen {
        let overrides = self.server.overrides.as_ref();
        Seen {
            categories: Stamp::of(&[&self.server.categories.path]),
            overrides: overrides.map(|(path, _)| Stamp::of(&[path])),
        }
    }

    /// Fetches the category file if it is configured so and there is none yet.
    pub(super) async fn fetch_first(&self) -> Result<(), Failure> {
        let source = &self.server.categories;
        if source.pull.is_none() || source.path.exists() {
            return Ok(());
        }
        info!("there is no category file yet; it is fetched");
        let source = source.clone();
        let (done, fetched) = oneshot::channel();
        let thread = std::thread::Builder::new().name("pull".to_owned());
        thread.spawn(move || {
            // A start that was given up needs no file.
            let _ = done.send(pull::pull(&source, &false.into()));
        })?;
        match fetched.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(self.not_fetched(error)),
            Err(_) => Err(std::io::Error::other("the thread that fetches ended").into()),
        }
    }

    fn not_fetched(&self, error: PullError) -> Failure {
        let path = self.server.categories.path.display();
        Failure::Start {
            what: "ICAP server",
            hint: format!(
                "`{path}` is not there and could not be fetched; put a file there, or mend what is below"
            ),
            source: Box::new(error),
        }
    }
}

impl Follow {
    /// Follows what `basis` names; `seen` is how the files were before they were read.
    pub(super) fn start(basis: Basis, seen: Seen) -> Result<Self, Failure> {
        let source = basis.server.categories.clone();
        let look = source.check_every.map(|every| {
            let mut look = interval_at(Instant::now() + every, every);
            look.set_missed_tick_behavior(MissedTickBehavior::Delay);
            look
        });
        let (tell, attempts) = mpsc::channel(ATTEMPTS_MAX);
        let puller = Puller::start(source, move |attempt| tell.blocking_send(attempt).is_ok())?;
        Ok(Self {
            basis,
            seen,
            changing: None,
            look,
            attempts,
            puller,
        })
    }

    /// Goes on with another basis. Who fetches the same file goes on too.
    pub(super) fn replace(
        &mut self,
        basis: Basis,
        seen: Seen,
        running: &icap_server::Running,
    ) -> Result<(), Failure> {
        let (now, before) = (&basis.server.categories, &self.basis.server.categories);
        if now.is_as(before) {
            self.basis = basis;
            (self.seen, self.changing) = (seen, None);
            return Ok(());
        }
        if now.pull.is_none() {
            running.pulls_ended();
        }
        // The one before is told first, so that only one puts files in place.
        self.puller = None;
        *self = Self::start(basis, seen)?;
        Ok(())
    }

    /// Completes with the next news. Dropping the future loses none.
    pub(super) async fn next(&mut self) -> News {
        let look = async {
            match &mut self.look {
                Some(look) => _ = look.tick().await,
                None => std::future::pending().await,
            }
        };
        let attempt = async {
            match self.attempts.recv().await {
                Some(attempt) => attempt,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            attempt = attempt => News::Attempt(attempt),
            () = look => News::Look,
        }
    }

    /// Puts new categories in force, if the news are of any. Returns whether they were.
    pub(super) fn take(
        &mut self,
        news: News,
        (files, path): (Files, &Path),
        running: &icap_server::Running,
    ) -> Result<bool, Vec<Diagnostic>> {
        let fetched = matches!(news, News::Attempt(_));
        let content = match news {
            News::Look => match self.changed() {
                Some(seen) => self.read(seen, files, path)?,
                None => return Ok(false),
            },
            News::Attempt(Ok(None)) => {
                running.pulled(PullOutcome::Unchanged);
                let now = self.basis.look();
                if now.categories == self.seen.categories {
                    return Ok(false);
                }
                // Another process fetched it, or this one while a reload read the one before.
                self.read(now, files, path)?
            }
            News::Attempt(Err(error)) => {
                running.pulled(error.outcome());
                let error = crate::failure::one_line(&error);
                warn!(%error, "no category file was fetched; the one in use stays in force");
                return Ok(false);
            }
            News::Attempt(Ok(Some(pulled))) => {
                let content = self.pulled(pulled, files, path);
                running.pulled(match content {
                    Ok(_) => PullOutcome::New,
                    Err(_) => PullOutcome::Invalid,
                });
                content?
            }
        };
        running.replace_content(&self.basis.server.config, content);
        info!(fetched, "categories in force");
        Ok(true)
    }

    /// Reads files that were `seen` before.
    fn read(
        &mut self,
        seen: Seen,
        files: Files,
        path: &Path,
    ) -> Result<icap_server::Content, Vec<Diagnostic>> {
        (self.seen, self.changing) = (seen, None);
        self.basis.read(files, path)
    }

    /// Takes a file that was fetched, or the one that took its place since.
    fn pulled(
        &mut self,
        pulled: Pulled,
        files: Files,
        path: &Path,
    ) -> Result<icap_server::Content, Vec<Diagnostic>> {
        let seen = self.basis.look();
        if seen.categories != pulled.stamp {
            return self.read(seen, files, path);
        }
        (self.seen, self.changing) = (seen, None);
        self.basis.overridden(files, path, *pulled.database)
    }

    /// Returns the files if they changed and are not being written any more.
    fn changed(&mut self) -> Option<Seen> {
        let now = self.basis.look();
        if now == self.seen {
            self.changing = None;
            return None;
        }
        if self.changing.as_ref() == Some(&now) {
            return Some(now);
        }
        self.changing = Some(now);
        None
    }
}
