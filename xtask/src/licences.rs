//! What the program may be made of: crates of crates.io under the licences that deny.toml allows.

use std::process::Command;

use serde_json::Value;

/// How the source of a crate begins that cargo had from a registry, not from a repository.
const REGISTRY: &str = "registry+";

/// Looks at the licence and the source of every crate in the lock file.
pub(crate) fn check() -> Result<(), String> {
    let allowed =
        allowed(&std::fs::read_to_string("deny.toml").map_err(|error| error.to_string())?);
    let mut command = Command::new(env!("CARGO"));
    command.args(["metadata", "--format-version=1", "--locked"]);
    let output = command.output().map_err(|error| error.to_string())?;
    let metadata: Value =
        serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
    let packages = metadata.get("packages").and_then(Value::as_array);
    let packages = packages.ok_or("cargo metadata names no packages")?;
    let faults: Vec<String> = packages
        .iter()
        .filter_map(|package| fault(package, &allowed))
        .collect();
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults.join("\n       "))
    }
}

/// Says what is wrong with a package, if anything is.
fn fault(package: &Value, allowed: &[String]) -> Option<String> {
    let text = |key: &str| package.get(key).and_then(Value::as_str);
    let name = text("name").unwrap_or_default();
    // Members of the workspace have no source.
    let source = text("source")?;
    if !source.starts_with(REGISTRY) {
        return Some(format!("`{name}` comes from {source}; use a registry"));
    }
    let licence = text("license").unwrap_or("no licence");
    let good = |licence: &str| allowed.iter().any(|allowed| allowed == licence);
    (!satisfied(licence, &good)).then(|| {
        format!(
            "`{name}` is under {licence}; deny.toml allows {}",
            allowed.join(", ")
        )
    })
}

/// Evaluates an SPDX expression: `AND` binds closer than `OR`, parentheses closest.
fn satisfied(expression: &str, good: &dyn Fn(&str) -> bool) -> bool {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = tokens.as_slice();
    any(&mut rest, good) && rest.is_empty()
}

fn any(tokens: &mut &[&str], good: &dyn Fn(&str) -> bool) -> bool {
    let mut value = all(tokens, good);
    while let ["OR", rest @ ..] = tokens {
        *tokens = rest;
        value |= all(tokens, good);
    }
    value
}

fn all(tokens: &mut &[&str], good: &dyn Fn(&str) -> bool) -> bool {
    let mut value = one(tokens, good);
    while let ["AND", rest @ ..] = tokens {
        *tokens = rest;
        value &= one(tokens, good);
    }
    value
}

fn one(tokens: &mut &[&str], good: &dyn Fn(&str) -> bool) -> bool {
    match tokens {
        ["(", rest @ ..] => {
            *tokens = rest;
            let value = any(tokens, good);
            *tokens = tokens.strip_prefix(&[")"]).unwrap_or_default();
            value
        }
        [licence, "WITH", exception, rest @ ..] => {
            let whole = format!("{licence} WITH {exception}");
            *tokens = rest;
            good(&whole)
        }
        [licence, rest @ ..] => {
            let licence = *licence;
            *tokens = rest;
            good(licence)
        }
        [] => false,
    }
}

/// Reads the list that follows `allow = [` in deny.toml, which has one licence a line.
fn allowed(deny: &str) -> Vec<String> {
    deny.lines()
        .skip_while(|line| !line.starts_with("allow = ["))
        .skip(1)
        .take_while(|line| !line.starts_with(']'))
        .filter_map(|line| line.split('"').nth(1))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions() {
        for (expression, expected) in [
            ("MIT", true),
            ("GPL-3.0", false),
            ("MIT OR GPL-3.0", true),
            ("GPL-3.0 OR MIT", true),
            ("MIT/GPL-3.0", true),
            ("MIT AND GPL-3.0", false),
            ("(MIT OR GPL-3.0) AND Apache-2.0", true),
            ("(MIT AND GPL-3.0) OR Apache-2.0", true),
            ("GPL-3.0 OR MIT AND Apache-2.0", true),
            ("Apache-2.0 WITH LLVM-exception OR GPL-3.0", true),
            ("GPL-3.0 WITH LLVM-exception", false),
            ("", false),
            ("MIT)", false),
        ] {
            let good = |licence: &str| {
                ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"].contains(&licence)
            };
            assert_eq!(satisfied(expression, &good), expected, "{expression}");
        }
    }

    #[test]
    fn the_list_of_deny_toml_is_read() {
        let deny = "[licenses]\nallow = [\n    \"MIT\",\n    \"ISC\", # why\n]\nother = [\n\"X\"]";
        assert_eq!(allowed(deny), ["MIT", "ISC"]);
    }
}
