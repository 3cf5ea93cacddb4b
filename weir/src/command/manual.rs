//! `weir completions` and `weir man`: what the command line says of itself.

use std::io::Write;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use service::exit;

use crate::Failure;
use crate::cli::Cli;

/// Prints the completion script of a shell.
pub(crate) fn completions(shell: Shell, out: &mut dyn Write) -> Result<u8, Failure> {
    // Made in memory: the generator panics where it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "weir", &mut script);
    out.write_all(&script)?;
    Ok(exit::SUCCESS)
}

/// Writes a page for the program and for each command, and prints their names.
pub(crate) fn pages(folder: &Path, out: &mut dyn Write) -> Result<u8, Failure> {
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    let mut waiting = vec![program];
    while let Some(command) = waiting.pop() {
        let path = folder.join(format!("{}.1", page_name(&command)));
        let mut page = Vec::new();
        clap_mangen::Man::new(command.clone()).render(&mut page)?;
        std::fs::write(&path, page).map_err(|source| Failure::Write {
            path: path.clone(),
            source,
        })?;
        writeln!(out, "{}", path.display())?;
        waiting.extend(command.get_subcommands().cloned());
    }
    Ok(exit::SUCCESS)
}

/// Returns `weir-categories-build` for `weir categories build`.
fn page_name(command: &Command) -> String {
    let name = command.get_display_name();
    name.unwrap_or_else(|| command.get_name()).to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_shell_completes_every_command() {
        for shell in Shell::value_variants() {
            let mut script = Vec::new();
            completions(*shell, &mut script).unwrap();
            let script = String::from_utf8(script).unwrap();
            for command in Cli::command().get_subcommands() {
                assert!(
                    script.contains(command.get_name()),
                    "{shell}: {}",
                    command.get_name()
                );
            }
            assert!(
                script.contains("--requests") || script.contains("requests"),
                "{shell}"
            );
        }
    }

    #[test]
    fn every_command_has_a_page_with_its_example() {
        let folder = tempfile::tempdir().unwrap();
        let mut names = Vec::new();
        pages(folder.path(), &mut names).unwrap();
        let written: BTreeSet<String> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let printed = String::from_utf8(names).unwrap();
        assert_eq!(printed.lines().count(), written.len());
        for name in [
            "weir.1",
            "weir-diff.1",
            "weir-explain.1",
            "weir-categories-build.1",
        ] {
            assert!(written.contains(name), "{written:?}");
        }
        for name in &written {
            let page = std::fs::read_to_string(folder.path().join(name)).unwrap();
            assert!(page.starts_with(".ie") || page.contains(".TH"), "{name}");
            assert!(page.contains("Example:"), "{name}");
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let error = pages(&folder.path().join("none"), &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("none"), "{error}");
    }
}
