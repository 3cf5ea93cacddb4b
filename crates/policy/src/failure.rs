use crate::Action;

/// Why the categorizer gave no usable answer. Each class has its own count, and may have its own
/// action in a profile.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum AskError {
    /// No connection.
    Connect,
    /// The deadline passed first.
    Timeout,
    /// Not an ICAP answer.
    Protocol,
    /// An ICAP status that answers nothing.
    Status,
    /// Too many questions are waiting, here or there.
    Overload,
    /// The endpoint failed too often of late.
    BreakerOpen,
}

/// A profile's actions for questions that were not answered (S4 3.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ErrorActions {
    /// `error_action`: for every class without an action of its own.
    pub otherwise: Action,
    /// `error_actions`, in the order of [`AskError::ALL`].
    own: [Option<Action>; AskError::ALL.len()],
}

impl AskError {
    /// Every class, in the order of the documents.
    pub const ALL: [Self; 6] = [
        Self::Connect,
        Self::Timeout,
        Self::Protocol,
        Self::Status,
        Self::Overload,
        Self::BreakerOpen,
    ];

    /// Returns the word of files, logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Protocol => "protocol",
            Self::Status => "status",
            Self::Overload => "overload",
            Self::BreakerOpen => "breaker_open",
        }
    }

    /// Returns the class of this word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == word)
    }
}

impl ErrorActions {
    /// One action for every class.
    #[must_use]
    pub fn all(otherwise: Action) -> Self {
        Self {
            otherwise,
            own: [None; AskError::ALL.len()],
        }
    }

    /// Gives a class an action of its own.
    pub(crate) fn set(&mut self, class: AskError, action: Action) {
        let classes = AskError::ALL.into_iter().zip(&mut self.own);
        for (_, own) in classes.filter(|(each, _)| *each == class) {
            *own = Some(action);
        }
    }

    /// Returns the action for a class; none: nobody was asked.
    #[must_use]
    pub fn action(&self, class: Option<AskError>) -> Action {
        let mut classes = AskError::ALL.into_iter().zip(self.own);
        let own = classes.find(|(each, _)| Some(*each) == class);
        own.and_then(|(_, own)| own).unwrap_or(self.otherwise)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_has_its_own_action_or_that_of_all() {
        let mut actions = ErrorActions::all(Action::Block);
        actions.set(AskError::Timeout, Action::Pass);
        for class in AskError::ALL {
            let expected = match class == AskError::Timeout {
                true => Action::Pass,
                false => Action::Block,
            };
            assert_eq!(actions.action(Some(class)), expected, "{class:?}");
        }
        assert_eq!(actions.action(None), Action::Block);
    }

    #[test]
    fn every_class_is_found_by_its_word() {
        for class in AskError::ALL {
            assert_eq!(AskError::of_word(class.as_str()), Some(class));
        }
        assert_eq!(AskError::of_word("error"), None);
    }
}
