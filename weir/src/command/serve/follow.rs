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
use crate::pull::{self, Attempt, PullError, Puller, Stamp};
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
    /// Of the files that were read last, whether or not they could be used.
    seen: Stamp,
    /// Of files that changed, until they are seen the same twice.
    changing: Option<Stamp>,
    look: Option<Interval>,
    attempts: mpsc::Receiver<Attempt>,
    puller: Option<Puller>,
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
    pub(super) fn stamp(&self) -> Stamp {
        let overrides = self.server.overrides.as_ref();
        let overrides = overrides.map(|(path, _)| path.as_path());
        let categories = self.server.categories.path.as_path();
        let paths: Vec<&Path> = [categories].into_iter().chain(overrides).collect();
        Stamp::of(&paths)
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
    /// Follows what `basis` names; `seen` is the stamp of the files before they were read.
    pub(super) fn start(basis: Basis, seen: Stamp) -> Result<Self, Failure> {
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
    pub(super) fn replace(&mut self, basis: Basis, seen: Stamp) -> Result<(), Failure> {
        if basis.server.categories == self.basis.server.categories {
            self.basis = basis;
            (self.seen, self.changing) = (seen, None);
            return Ok(());
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

    /// Puts new categories in force, if the news are of any.
    pub(super) fn take(
        &mut self,
        news: News,
        (files, path): (Files, &Path),
        running: &icap_server::Running,
    ) -> Result<(), Vec<Diagnostic>> {
        let (content, seen, outcome) = match news {
            News::Look => {
                let Some(seen) = self.changed() else {
                    return Ok(());
                };
                self.seen = seen.clone();
                (self.basis.read(files, path)?, seen, None)
            }
            News::Attempt(Ok(None)) => {
                running.pulled(PullOutcome::Unchanged);
                return Ok(());
            }
            News::Attempt(Err(error)) => {
                running.pulled(error.outcome());
                let error = crate::failure::one_line(&error);
                warn!(%error, "no category file was fetched; the one in use stays in force");
                return Ok(());
            }
            News::Attempt(Ok(Some(pulled))) => {
                let seen = self.basis.stamp();
                let content = self.basis.overridden(files, path, *pulled.database);
                let outcome = match content {
                    Ok(_) => PullOutcome::New,
                    Err(_) => PullOutcome::Invalid,
                };
                running.pulled(outcome);
                self.seen = seen.clone();
                (content?, seen, Some(outcome))
            }
        };
        (self.seen, self.changing) = (seen, None);
        running.replace_content(&self.basis.server.config, content);
        info!(fetched = outcome.is_some(), "categories in force");
        Ok(())
    }

    /// Returns the stamp of the files if they changed and are not being written any more.
    fn changed(&mut self) -> Option<Stamp> {
        let now = self.basis.stamp();
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
