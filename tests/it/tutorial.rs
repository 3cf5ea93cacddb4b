//! docs/TUTORIAL.md is executed: files as shown, commands as shown, output as shown.

use std::env;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use tests::ToEnd as _;
use tests::program::weir;

use crate::architecture::root;

/// What stands between backquotes marks a block.
const FENCE: &str = "```";

/// What a block of the page is for.
#[derive(Debug)]
enum Step {
    /// The text of a file, or what is added to it.
    File {
        name: String,
        adds: bool,
        text: String,
    },
    /// Commands, each with what it prints.
    Console(Vec<(String, String)>),
}

#[test]
fn every_step_does_what_the_page_shows() {
    let page = fs::read_to_string(root().join("docs/TUTORIAL.md")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (mut files, mut commands) = (0, 0);
    for (line, step) in steps(&page) {
        match step {
            Step::File { name, adds, text } => {
                write(folder.path(), &name, adds, &text);
                files += 1;
            }
            Step::Console(all) => {
                for (command, expected) in all {
                    let printed = run(folder.path(), &command);
                    assert_eq!(printed, expected, "TUTORIAL.md:{line}: {command}");
                    commands += 1;
                }
            }
        }
    }
    assert!(
        files >= 10 && commands >= 10,
        "{files} files, {commands} commands"
    );
    let cases = fs::read_to_string(folder.path().join("home.test.yaml")).unwrap();
    assert!(cases.contains("action: redirect"), "{cases}");
}

/// Runs a line as a shell does for somebody at a terminal.
fn run(folder: &Path, command: &str) -> String {
    let program = weir().parent().unwrap().to_path_buf();
    let others = env::var_os("PATH").unwrap_or_default();
    let path = [program].into_iter().chain(env::split_paths(&others));
    let output = Command::new("sh")
        .args(["-c", &format!("exec 2>&1\n{command}")])
        .current_dir(folder)
        .env("PATH", env::join_paths(path).unwrap())
        .to_end();
    String::from_utf8(output.stdout).unwrap()
}

fn write(folder: &Path, name: &str, adds: bool, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut file = OpenOptions::new();
    let file = file.create(true).append(adds).write(true).truncate(!adds);
    file.open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

/// Returns the blocks of the page, each with the line where it starts.
fn steps(page: &str) -> Vec<(usize, Step)> {
    let mut steps = Vec::new();
    let mut prose = String::new();
    let mut lines = (1..).zip(page.lines());
    while let Some((number, line)) = lines.next() {
        let Some(kind) = line.strip_prefix(FENCE) else {
            prose = format!("{prose} {line}");
            continue;
        };
        let block = lines.by_ref().map(|(_, line)| line);
        let block: Vec<&str> = block.take_while(|line| *line != FENCE).collect();
        let step = match kind {
            "console" => Step::Console(console(&block)),
            _ => file(&prose, &block).unwrap_or_else(|| panic!("TUTORIAL.md:{number}: no file")),
        };
        steps.push((number, step));
        prose.clear();
    }
    steps
}

/// Reads commands, after `$`, and what each prints.
fn console(block: &[&str]) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    for line in block {
        match line.strip_prefix("$ ") {
            Some(command) => all.push((command.to_owned(), String::new())),
            None => {
                let (_, printed) = all.last_mut().expect("output comes after a command");
                printed.push_str(line);
                printed.push('\n');
            }
        }
    }
    all
}

/// Reads the name of a file, and what is done with it, from the words before its block.
fn file(prose: &str, block: &[&str]) -> Option<Step> {
    let (before, name) = prose.trim().strip_suffix("`:")?.rsplit_once('`')?;
    let before = before.trim_end();
    let adds = before.ends_with("Add to the end of");
    let writes = before.ends_with("Write") || before.ends_with("Replace");
    (adds || writes).then(|| Step::File {
        name: name.to_owned(),
        adds,
        text: block.iter().map(|line| format!("{line}\n")).collect(),
    })
}
