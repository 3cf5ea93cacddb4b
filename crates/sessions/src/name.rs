use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// The name of an access point or profile.
///
/// A request takes the names of its session with it. Where they are lasting, it copies nothing
/// but where they are: no count has to be changed, which threads would take from each other.
#[derive(Clone)]
pub struct Name(Form);

#[derive(Clone)]
enum Form {
    Lasting(&'static str),
    Counted(Arc<str>),
}

impl Name {
    /// Makes a name that stays until the program ends, also when nobody has it any more. Whoever
    /// makes such names keeps each, and has a limit for them.
    #[must_use]
    pub fn lasting(text: &str) -> Self {
        Self(Form::Lasting(Box::leak(text.into())))
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Form::Lasting(text) => text,
            Form::Counted(text) => text,
        }
    }

    /// Returns whether it stays until the program ends.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        matches!(self.0, Form::Lasting(_))
    }
}

/// Makes a name that stays until nobody has it any more.
impl From<Arc<str>> for Name {
    fn from(text: Arc<str>) -> Self {
        Self(Form::Counted(text))
    }
}

/// Makes a name that stays until nobody has it any more.
impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self::from(Arc::from(text))
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

// `Borrow` asks that a name compares as its text.
impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Name {}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_name_is_its_text_in_either_form() {
        let (lasting, counted) = (Name::lasting("child"), Name::from("child"));
        assert!(lasting.is_lasting() && !counted.is_lasting());
        assert_eq!(lasting, counted);
        assert_eq!(format!("{lasting:?} {counted:?}"), r#""child" "child""#);
        let names = BTreeSet::from([counted, Name::lasting("adult")]);
        assert!(names.contains("child") && names.contains(&lasting));
        assert_eq!(names.first().map(Name::as_str), Some("adult"));
    }

    #[test]
    fn a_lasting_name_is_the_same_memory_in_every_copy() {
        let name = Name::lasting("child");
        assert_eq!(name.as_ptr(), name.clone().as_ptr());
    }
}
