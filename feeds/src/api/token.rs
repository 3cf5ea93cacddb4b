//! Who may ask.

use std::fmt;

use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::refusal::Refusal;

/// Tokens of one kind at most: the one in use, and those that come and go.
pub const TOKENS_MAX: usize = 8;

/// Characters of a token at least. 32 random ones of Base64 cannot be guessed.
pub const TOKEN_LEN_MIN: usize = 32;

/// Characters of a token at most.
pub const TOKEN_LEN_MAX: usize = 256;

/// The characters of a token beside letters and digits (RFC 6750 section 2.1).
const PUNCTUATION: &[u8] = b"-._~+/=";

/// The scheme of RFC 6750.
const SCHEME: &str = "bearer";

/// The tokens that are known, each as its hash: whoever compares takes the same time whatever is
/// sent, and nobody finds a token in memory or in a log.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Tokens {
    change: Vec<blake3::Hash>,
    read: Vec<blake3::Hash>,
}

/// What a token is good for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Right {
    /// To read and to change.
    Change,
    /// To read.
    Read,
}

/// A file of tokens cannot be used. No text has a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadTokens {
    /// There is none.
    #[error("it has no token; put one into it, such as `openssl rand -hex 32` prints")]
    Empty,
    /// There are too many.
    #[error("it has more than {TOKENS_MAX} tokens; use at most so many")]
    Many,
    /// One is too short, too long, or has other characters.
    #[error(
        "its line {0} is no token; use {TOKEN_LEN_MIN} to {TOKEN_LEN_MAX} letters, digits and \
         `-._~+/=`, such as `openssl rand -hex 32` prints"
    )]
    NotAToken(usize),
}

impl Tokens {
    /// Reads tokens, one a line, those that may change sessions and those that may only read.
    /// Empty lines and those that begin with `#` are none.
    ///
    /// # Errors
    ///
    /// Fails with what is wrong with the text.
    pub fn read(text: &str) -> Result<Vec<blake3::Hash>, BadTokens> {
        let mut tokens = Vec::new();
        for (number, line) in lines(text) {
            if !is_token(line) {
                return Err(BadTokens::NotAToken(number));
            }
            if tokens.len() >= TOKENS_MAX {
                return Err(BadTokens::Many);
            }
            tokens.push(blake3::hash(line.as_bytes()));
        }
        match tokens.is_empty() {
            true => Err(BadTokens::Empty),
            false => Ok(tokens),
        }
    }

    /// Takes the hashes of tokens that may change sessions, and of those that may only read them.
    #[must_use]
    pub fn new(change: Vec<blake3::Hash>, read: Vec<blake3::Hash>) -> Self {
        Self { change, read }
    }

    /// Returns what the sender of a request may do.
    pub(super) fn admit(&self, headers: &HeaderMap) -> Result<Right, Refusal> {
        let mut fields = headers.get_all(AUTHORIZATION).iter();
        let (Some(field), None) = (fields.next(), fields.next()) else {
            return Err(Refusal::NoToken);
        };
        let field = field.to_str().map_err(|_| Refusal::WrongToken)?;
        let token = match field.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case(SCHEME) => token.trim(),
            Some(_) | None => return Err(Refusal::NoToken),
        };
        let sent = blake3::hash(token.as_bytes());
        // Hashes are compared in constant time, and all of them.
        let among =
            |known: &[blake3::Hash]| known.iter().fold(false, |any, it| any | (*it == sent));
        match (among(&self.change), among(&self.read)) {
            (true, _) => Ok(Right::Change),
            (false, true) => Ok(Right::Read),
            (false, false) => Err(Refusal::WrongToken),
        }
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens")
            .field("change", &self.change.len())
            .field("read", &self.read.len())
            .finish()
    }
}

/// Returns the first token of a text, for whoever sends it.
///
/// # Errors
///
/// Fails if there is none, or if it is no token.
pub fn first(text: &str) -> Result<&str, BadTokens> {
    let (number, token) = lines(text).next().ok_or(BadTokens::Empty)?;
    match is_token(token) {
        true => Ok(token),
        false => Err(BadTokens::NotAToken(number)),
    }
}

fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = (1..).zip(text.lines().map(str::trim));
    lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

fn is_token(text: &str) -> bool {
    (TOKEN_LEN_MIN..=TOKEN_LEN_MAX).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || PUNCTUATION.contains(&byte))
}
