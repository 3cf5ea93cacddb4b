//! What web servers make of a path, written as they do it: step by step on the whole path, and
//! with no regard to how the gateway reads it.

use proptest::prelude::*;

/// One kind of server.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    /// It parses the target as a relative reference, where `//name` is an authority.
    pub(crate) knows_network_paths: bool,
    /// It takes a number sign for part of a name.
    pub(crate) keeps_fragment: bool,
    pub(crate) backslash: Backslash,
    pub(crate) parameters: Parameters,
    pub(crate) collapses_first: bool,
    pub(crate) resolves_first: bool,
    pub(crate) decodes: Decodes,
    pub(crate) encoded_slash_separates: bool,
    pub(crate) encoded_question_mark_ends: bool,
    pub(crate) encoded_number_sign_ends: bool,
    /// It decodes the target before it looks for an authority in it.
    pub(crate) knows_encoded_network_paths: bool,
    pub(crate) nul: Nul,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Backslash {
    Text,
    WrittenSlash,
    Slash,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Parameters {
    Kept,
    CutFirst,
    CutDecoded,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Decodes {
    Once,
    Twice,
    ToTheEnd,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Nul {
    Kept,
    Dropped,
    Ends,
}

/// Returns any kind of server.
pub(crate) fn origin() -> impl Strategy<Value = Origin> {
    let backslash = prop_oneof![
        Just(Backslash::Text),
        Just(Backslash::WrittenSlash),
        Just(Backslash::Slash)
    ];
    let parameters = prop_oneof![
        Just(Parameters::Kept),
        Just(Parameters::CutFirst),
        Just(Parameters::CutDecoded)
    ];
    let decodes = prop_oneof![
        Just(Decodes::Once),
        Just(Decodes::Twice),
        Just(Decodes::ToTheEnd)
    ];
    let nul = prop_oneof![Just(Nul::Kept), Just(Nul::Dropped), Just(Nul::Ends)];
    (backslash, parameters, decodes, nul, any::<[bool; 8]>()).prop_map(
        |(backslash, parameters, decodes, nul, flags)| {
            let [
                network,
                fragment,
                collapse,
                resolve,
                slash,
                question,
                number,
                encoded,
            ] = flags;
            // Who decodes the target as a whole reads it as a URI afterwards, all of it.
            let whole = network && encoded;
            Origin {
                knows_network_paths: network && !whole,
                // Who knows network paths knows fragments.
                keeps_fragment: fragment && !network,
                backslash,
                parameters: match parameters {
                    Parameters::CutFirst if whole => Parameters::CutDecoded,
                    Parameters::CutFirst | Parameters::CutDecoded | Parameters::Kept => parameters,
                },
                collapses_first: collapse && !whole,
                resolves_first: resolve && !whole,
                decodes: if whole { Decodes::Once } else { decodes },
                encoded_slash_separates: slash || whole,
                encoded_question_mark_ends: question || whole,
                encoded_number_sign_ends: number || whole,
                knows_encoded_network_paths: whole,
                nul,
            }
        },
    )
}

/// A character of a path: as it is, or a slash or backslash that is part of a name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Unit {
    Byte(u8),
    NameSlash,
}

impl Origin {
    /// Returns the path that this server serves for a target, spelled as list entries are.
    pub(crate) fn reaches(&self, target: &[u8]) -> String {
        let mut path = target.to_vec();
        if !self.keeps_fragment {
            cut(&mut path, b"#");
        }
        cut(&mut path, b"?");
        if self.knows_network_paths {
            path = below_authority(path);
        }
        if matches!(self.backslash, Backslash::WrittenSlash | Backslash::Slash) {
            replace(&mut path, b'\\', b'/');
        }
        if matches!(self.parameters, Parameters::CutFirst) {
            path = without_parameters(&path);
        }
        if self.collapses_first {
            path = collapsed(&path);
        }
        if self.resolves_first {
            path = resolved(&path);
        }
        let mut units = self.decoded(path);
        self.cut_decoded(&mut units);
        if self.knows_encoded_network_paths {
            units = without_authority(&units);
        }
        let mut path: Vec<u8> = Vec::new();
        let mut names = Vec::new();
        for unit in units {
            // A byte that no path of the generator has stands for a slash within a name.
            match unit {
                Unit::Byte(byte) => path.push(byte),
                Unit::NameSlash => {
                    names.push(path.len());
                    path.push(0x01);
                }
            }
        }
        if matches!(self.parameters, Parameters::CutDecoded) {
            path = without_parameters(&path);
        }
        if self.collapses_first {
            path = collapsed(&path);
        }
        spelled(&collapsed(&resolved(&path)))
    }

    /// Decodes as often as this server does. An encoded slash may stay part of its name.
    fn decoded(&self, mut path: Vec<u8>) -> Vec<Unit> {
        let rounds = match self.decodes {
            Decodes::Once => 1,
            Decodes::Twice => 2,
            Decodes::ToTheEnd => path.len(),
        };
        // Slashes as written are hidden from the decoder by a byte that no generated path has.
        replace(&mut path, b'/', 0x02);
        for _ in 0..rounds {
            path = decoded_once(&path);
        }
        path.into_iter()
            .map(|byte| match byte {
                0x02 => Unit::Byte(b'/'),
                b'/' if !self.encoded_slash_separates => Unit::NameSlash,
                b'\\' if matches!(self.backslash, Backslash::Slash) => Unit::Byte(b'/'),
                byte => Unit::Byte(byte),
            })
            .collect()
    }

    fn cut_decoded(&self, units: &mut Vec<Unit>) {
        // Without dot segments it reaches a folder of what it would reach otherwise.
        let number_sign_ends = self.encoded_number_sign_ends && has_dots(units);
        let end = units.iter().position(|unit| match unit {
            Unit::Byte(0) => matches!(self.nul, Nul::Ends),
            Unit::Byte(b'?') => self.encoded_question_mark_ends,
            Unit::Byte(b'#') => number_sign_ends,
            Unit::Byte(_) | Unit::NameSlash => false,
        });
        units.truncate(end.unwrap_or(units.len()));
        if matches!(self.nul, Nul::Dropped) {
            units.retain(|unit| *unit != Unit::Byte(0));
        }
    }
}

fn has_dots(units: &[Unit]) -> bool {
    let ends = |unit: &Unit| matches!(unit, Unit::Byte(b'/' | b'\\') | Unit::NameSlash);
    let mut segments = units.split(ends);
    segments.any(|segment| {
        matches!(
            segment,
            [Unit::Byte(b'.')] | [Unit::Byte(b'.'), Unit::Byte(b'.')]
        )
    })
}

/// What [`below_authority`] does, after the target was decoded as a whole. A number sign ends the
/// authority.
fn without_authority(units: &[Unit]) -> Vec<Unit> {
    let byte = |unit: &Unit| match unit {
        Unit::Byte(byte) => *byte,
        Unit::NameSlash => b'/',
    };
    let mut path: Vec<u8> = units.iter().map(byte).collect();
    let fragment = path.iter().position(|byte| *byte == b'#');
    let fragment = path.split_off(fragment.unwrap_or(path.len()));
    let path = below_authority(path);
    path.into_iter().chain(fragment).map(Unit::Byte).collect()
}

fn cut(path: &mut Vec<u8>, end: &[u8]) {
    if let Some(at) = path.iter().position(|byte| end.contains(byte)) {
        path.truncate(at);
    }
}

fn replace(path: &mut [u8], old: u8, new: u8) {
    for byte in path {
        if *byte == old {
            *byte = new;
        }
    }
}

/// `//name/path` is `/path`, as for a browser: with any number of slashes, of either kind.
fn below_authority(path: Vec<u8>) -> Vec<u8> {
    let is_slash = |byte: &u8| matches!(byte, b'/' | b'\\');
    let slashes = path.iter().take_while(|byte| is_slash(byte)).count();
    let name = path
        .iter()
        .skip(slashes)
        .take_while(|byte| !is_slash(byte))
        .count();
    if slashes < 2 || name == 0 {
        return path;
    }
    let rest = path[slashes + name..].to_vec();
    if rest.is_empty() { b"/".to_vec() } else { rest }
}

fn without_parameters(path: &[u8]) -> Vec<u8> {
    let names = path.split(|byte| *byte == b'/');
    let names = names.map(|name| name.split(|byte| *byte == b';').next().unwrap());
    names.collect::<Vec<_>>().join(&b'/')
}

fn collapsed(path: &[u8]) -> Vec<u8> {
    let mut out = path.to_vec();
    out.dedup_by(|a, b| *a == b'/' && *b == b'/');
    out
}

/// RFC 3986 section 5.2.4, with the words of that section.
fn resolved(path: &[u8]) -> Vec<u8> {
    let mut input = path.to_vec();
    if !input.starts_with(b"/") {
        input.insert(0, b'/');
    }
    let mut output: Vec<u8> = Vec::new();
    while !input.is_empty() {
        if input.starts_with(b"/./") {
            input.drain(..2);
        } else if input == b"/." {
            input = b"/".to_vec();
        } else if input.starts_with(b"/../") || input == b"/.." {
            input.drain(..3);
            if input.is_empty() {
                input.push(b'/');
            }
            let last = output.iter().rposition(|byte| *byte == b'/');
            output.truncate(last.unwrap_or(0));
        } else {
            let next = input.iter().skip(1).position(|byte| *byte == b'/');
            output.extend(input.drain(..next.map_or(input.len(), |at| at + 1)));
        }
    }
    output
}

fn decoded_once(path: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut out = Vec::new();
    let mut at = 0;
    while at < path.len() {
        let escape = path.get(at..at + 3).filter(|escape| escape[0] == b'%');
        let value = escape.and_then(|escape| Some(digit(escape[1])? * 16 + digit(escape[2])?));
        match value {
            Some(value) => {
                out.push(u8::try_from(value).unwrap());
                at += 3;
            }
            None => {
                out.push(path[at]);
                at += 1;
            }
        }
    }
    out
}

fn spelled(path: &[u8]) -> String {
    path.iter().fold(String::new(), |text, byte| match byte {
        0x01 => text + "%2F",
        b'\\' | b'%' | b'#' | b'?' | 0..=0x20 | 0x7f.. => text + &format!("%{byte:02X}"),
        byte => text + &char::from(*byte).to_string(),
    })
}
