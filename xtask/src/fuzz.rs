//! The fuzz targets, one after another, and what came of each.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::num::NonZeroU64;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::{run, tiers};

/// Time for each target, unless told otherwise.
const SECONDS: NonZeroU64 = NonZeroU64::new(60).expect("60 is not 0");

/// Memory of a target. An input that takes it over is a finding.
const RSS_MB_MAX: u32 = 2048;

/// Time for one input. One that takes longer is a finding.
const INPUT_S_MAX: u32 = 10;

/// How often a target says how far it came.
const PROGRESS: Duration = Duration::from_secs(15);

/// What was asked for.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Options {
    /// Names of targets; none: all.
    targets: Vec<String>,
    /// For each. To libFuzzer 0 is without end, and then no second target would run.
    seconds: NonZeroU64,
    /// Everything of ours is safe Rust, so that the sanitizers see dependencies alone, at twice
    /// the time.
    sanitizer: String,
}

/// What came of one target.
#[derive(Debug, Default)]
struct Outcome {
    executions: u64,
    coverage: u64,
    seconds: u64,
    /// Where the inputs are that broke a promise.
    findings: Vec<String>,
    /// What the first of them says, or why the target ended.
    remark: Option<String>,
}

impl Options {
    /// Reads the arguments. None: they are not understood.
    pub(crate) fn read(arguments: impl IntoIterator<Item = String>) -> Option<Self> {
        let mut options = Self {
            targets: Vec::new(),
            seconds: SECONDS,
            sanitizer: "none".to_owned(),
        };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--seconds" => options.seconds = arguments.next()?.parse().ok()?,
                "--sanitizer" => options.sanitizer = arguments.next()?,
                name if !name.starts_with('-') => options.targets.push(argument),
                _ => return None,
            }
        }
        Some(options)
    }
}

/// Builds the targets and runs them.
///
/// Fails if they cannot be built, or if one of them has a finding.
pub(crate) fn fuzz(options: &Options) -> Result<(), String> {
    refuse_without_tools()?;
    let targets = chosen(&options.targets, &all()?)?;
    // The dependencies that are fuzzed are those that are shipped.
    fs::copy("Cargo.lock", "fuzz/Cargo.lock").map_err(|error| error.to_string())?;
    run(&mut cargo_fuzz("build", options))?;
    let mut outcomes = Vec::new();
    for target in &targets {
        let outcome = run_target(target, options)
            .map_err(|error| format!("`{target}` does not run: {error}"))?;
        outcomes.push((target.as_str(), outcome));
    }
    eprint!("{}", table(&outcomes));
    match outcomes.iter().filter(|(_, it)| !it.is_good()).count() {
        0 => Ok(()),
        bad => Err(format!("{bad} of {} targets have findings", targets.len())),
    }
}

impl Outcome {
    fn is_good(&self) -> bool {
        self.findings.is_empty() && self.remark.is_none()
    }

    /// Notes what a line of libFuzzer says.
    fn note(&mut self, line: &str) {
        let number_after = |word: &str| -> Option<u64> {
            let (_, rest) = line.split_once(word)?;
            rest.split_whitespace().next()?.parse().ok()
        };
        if line.starts_with('#') {
            self.executions = number_after("#").unwrap_or(self.executions);
            self.coverage = number_after("cov: ").unwrap_or(self.coverage);
        }
        self.executions =
            number_after("stat::number_of_executed_units: ").unwrap_or(self.executions);
        if let Some((_, path)) = line.split_once("Test unit written to ") {
            self.findings.push(path.trim().to_owned());
        }
        if let Some(remark) = self.remark.as_mut().filter(|it| it.ends_with(':')) {
            // What a panic says stands below where it happened.
            *remark = format!("{remark} {}", line.trim());
        }
        if self.remark.is_none() && (line.contains(" panicked at ") || line.contains("ERROR: ")) {
            self.remark = Some(line.trim().to_owned());
        }
    }
}

fn refuse_without_tools() -> Result<(), String> {
    if !tiers::runs("cargo fuzz --version") {
        return Err(
            "cargo-fuzz is not installed; install it with `cargo install cargo-fuzz \
                    --locked`"
                .to_owned(),
        );
    }
    if !tiers::runs("cargo +nightly --version") {
        return Err(
            "libFuzzer needs a nightly compiler; install it with `rustup toolchain \
                    install nightly --profile minimal`"
                .to_owned(),
        );
    }
    Ok(())
}

/// Returns the names of all targets, sorted.
fn all() -> Result<Vec<String>, String> {
    let files = fs::read_dir("fuzz/targets").map_err(|error| format!("fuzz/targets: {error}"))?;
    let mut names: Vec<String> = files
        .filter_map(|file| {
            let path = file.ok()?.path();
            Some(path.file_stem()?.to_str()?.to_owned())
        })
        .collect();
    names.sort();
    Ok(names)
}

fn chosen(wanted: &[String], all: &[String]) -> Result<Vec<String>, String> {
    if let Some(unknown) = wanted.iter().find(|name| !all.contains(name)) {
        return Err(format!(
            "`{unknown}` is no fuzz target; there are {}",
            all.join(", ")
        ));
    }
    Ok(match wanted {
        [] => all.to_vec(),
        [_, ..] => wanted.to_vec(),
    })
}

fn cargo_fuzz(act: &str, options: &Options) -> Command {
    // Not the cargo that runs this: the toolchain is another.
    let mut command = Command::new("cargo");
    command.args(["+nightly", "fuzz", act, "--sanitizer", &options.sanitizer]);
    command
}

fn run_target(target: &str, options: &Options) -> Result<Outcome, std::io::Error> {
    let grown = format!("fuzz/corpus-run/{target}");
    fs::create_dir_all(&grown)?;
    let mut log = fs::File::create(format!("{grown}.log"))?;
    let mut command = cargo_fuzz("run", options);
    command.args([target, &grown, &format!("fuzz/corpus/{target}"), "--"]);
    command.arg(format!("-max_total_time={}", options.seconds));
    command.arg(format!("-rss_limit_mb={RSS_MB_MAX}"));
    command.arg(format!("-timeout={INPUT_S_MAX}"));
    command.arg("-print_final_stats=1");
    let dictionary = format!("fuzz/dictionaries/{target}.dict");
    if Path::new(&dictionary).exists() {
        command.arg(format!("-dict={dictionary}"));
    }
    let mut child = command.stderr(Stdio::piped()).spawn()?;
    let mut outcome = Outcome::default();
    let start = Instant::now();
    let mut said = start;
    for line in child
        .stderr
        .take()
        .into_iter()
        .flat_map(|it| BufReader::new(it).split(b'\n'))
    {
        let line = line?;
        log.write_all(&line)?;
        log.write_all(b"\n")?;
        outcome.note(&String::from_utf8_lossy(&line));
        outcome.seconds = start.elapsed().as_secs();
        if said.elapsed() >= PROGRESS {
            said = Instant::now();
            let Outcome {
                executions,
                coverage,
                seconds,
                ..
            } = &outcome;
            eprintln!("{target}: {executions} executions, {coverage} edges, {seconds} s");
        }
    }
    let status = child.wait()?;
    if !status.success() && outcome.remark.is_none() {
        outcome.remark = Some(format!("ended with {status}; {grown}.log says why"));
    }
    Ok(outcome)
}

fn table(outcomes: &[(&str, Outcome)]) -> String {
    let mut text = String::from(
        "\n| target | executions | seconds | edges covered | findings |\n|---|---|---|---|---|\n",
    );
    for (target, outcome) in outcomes {
        let Outcome {
            executions,
            coverage,
            seconds,
            ..
        } = outcome;
        let findings = outcome.findings.len();
        text += &format!("| {target} | {executions} | {seconds} | {coverage} | {findings} |\n");
    }
    for (target, outcome) in outcomes.iter().filter(|(_, outcome)| !outcome.is_good()) {
        text += &format!(
            "\n{target}: {}\n",
            outcome.remark.as_deref().unwrap_or("a finding")
        );
        for path in &outcome.findings {
            text += &format!(
                "  look at it:   cargo +nightly fuzz run --sanitizer none {target} {path}\n  \
                 make it less: cargo +nightly fuzz tmin --sanitizer none {target} {path}\n  \
                 keep it:      cp {path} fuzz/corpus/{target}/what_it_shows\n"
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options() {
        let read = |text: &str| Options::read(text.split_whitespace().map(str::to_owned));
        let options = read("normal_form --seconds 600 http_head").unwrap();
        assert_eq!(options.targets, ["normal_form", "http_head"]);
        assert_eq!(options.seconds.get(), 600);
        assert_eq!(read("").unwrap().targets, [""; 0]);
        assert_eq!(read("--seconds"), None);
        assert_eq!(read("--seconds 0"), None);
        assert_eq!(read("--jobs"), None);
    }

    #[test]
    fn lines_of_the_fuzzer_are_counted() {
        let mut outcome = Outcome::default();
        for line in [
            "INFO: Running with entropic power schedule (0xFF, 100).",
            "#32\tINITED cov: 1252 ft: 2037 corp: 31/1315b exec/s: 0 rss: 28Mb",
            "#4096\tpulse  cov: 1300 ft: 2100 corp: 40/2Kb lim: 91 exec/s: 2048 rss: 30Mb",
            "stat::number_of_executed_units: 5000",
        ] {
            outcome.note(line);
        }
        assert_eq!((outcome.executions, outcome.coverage), (5000, 1300));
        assert!(outcome.is_good());
        outcome.note("thread '<unnamed>' (7) panicked at a.rs:1:2:");
        outcome.note("a verdict stays");
        outcome.note("artifact_prefix='a/'; Test unit written to a/crash-1");
        let remark = "thread '<unnamed>' (7) panicked at a.rs:1:2: a verdict stays";
        assert_eq!(outcome.remark.as_deref(), Some(remark));
        assert!(!outcome.is_good());
        let text = table(&[("t", outcome)]);
        assert!(text.contains("| t | 5000 | 0 | 1300 | 1 |"), "{text}");
        assert!(text.contains("cp a/crash-1 fuzz/corpus/t/"), "{text}");
    }

    #[test]
    fn an_unknown_target_is_named_with_those_there_are() {
        let all = ["a".to_owned(), "b".to_owned()];
        assert_eq!(chosen(&[], &all), Ok(all.to_vec()));
        assert_eq!(
            chosen(&["c".to_owned()], &all),
            Err("`c` is no fuzz target; there are a, b".to_owned())
        );
    }
}
