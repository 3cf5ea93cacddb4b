//! The policy file as written.
//!
//! Words and numbers stay text here, with their places: `compile` checks them, so that it can
//! report all that is wrong at once and not only the first.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::AskError;
use crate::written::{Named, Placed, Written};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PolicyFile {
    #[serde(default)]
    pub(crate) lists: Named<Placed<ListWritten>>,
    #[serde(default)]
    pub(crate) policies: Named<PolicyWritten>,
    #[serde(default)]
    pub(crate) schedules: Named<WhenWritten>,
    pub(crate) profiles: Placed<Named<ProfileWritten>>,
    pub(crate) default_profile: Option<Written>,
    #[serde(default)]
    pub(crate) bypass: Vec<Written>,
    #[serde(default)]
    pub(crate) allow_warnings: Vec<Written>,
}

/// A list of entries, or the file that holds them.
#[derive(Debug)]
pub(crate) enum ListWritten {
    Inline(Vec<Written>),
    File(Written),
    /// Something else; it is called by its kind.
    Neither(&'static str),
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PolicyWritten {
    #[serde(default)]
    pub(crate) pass: Vec<Written>,
    #[serde(default)]
    pub(crate) block: Vec<Written>,
    #[serde(default)]
    pub(crate) redirect: Vec<CategoryRedirect>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CategoryRedirect {
    pub(crate) to: Written,
    pub(crate) categories: Vec<Written>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProfileWritten {
    pub(crate) id: Option<Written>,
    pub(crate) icap: Option<Written>,
    pub(crate) enforce: Option<Written>,
    #[serde(default)]
    pub(crate) instead: Vec<InsteadWritten>,
    pub(crate) policy: Option<Placed<Loose<TimedPolicy>>>,
    #[serde(default)]
    pub(crate) pass_list: Vec<Placed<Loose<TimedList>>>,
    #[serde(default)]
    pub(crate) block_list: Vec<Placed<Loose<TimedList>>>,
    #[serde(default)]
    pub(crate) redirect_list: Vec<ListRedirect>,
    pub(crate) default_action: Option<Placed<ActionWritten>>,
    pub(crate) unknown_action: Option<Placed<ActionWritten>>,
    pub(crate) error_action: Option<Placed<ActionWritten>>,
    #[serde(default)]
    pub(crate) error_actions: ErrorActionsWritten,
    pub(crate) undecidable_action: Option<Placed<ActionWritten>>,
    pub(crate) block_response: Option<Written>,
    pub(crate) sni_check: Option<Written>,
}

/// The keys are the words of [`AskError`].
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ErrorActionsWritten {
    pub(crate) connect: Option<Placed<ActionWritten>>,
    pub(crate) timeout: Option<Placed<ActionWritten>>,
    pub(crate) protocol: Option<Placed<ActionWritten>>,
    pub(crate) status: Option<Placed<ActionWritten>>,
    pub(crate) overload: Option<Placed<ActionWritten>>,
    pub(crate) breaker_open: Option<Placed<ActionWritten>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListRedirect {
    pub(crate) to: Written,
    pub(crate) lists: Vec<Written>,
    #[serde(default, deserialize_with = "given")]
    pub(crate) when: Option<WhenWritten>,
}

/// A list of a profile at some times.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TimedList {
    pub(crate) list: Written,
    #[serde(default, deserialize_with = "given")]
    pub(crate) when: Option<WhenWritten>,
}

/// The policy of a profile at some times.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TimedPolicy {
    pub(crate) policy: Written,
    #[serde(default, deserialize_with = "given")]
    pub(crate) when: Option<WhenWritten>,
}

/// Another profile in the place of this one, at some times.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InsteadWritten {
    pub(crate) profile: Written,
    pub(crate) when: WhenWritten,
}

/// Reads the value of a key that is there: one without a value is not one that is absent.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<WhenWritten>, D::Error> {
    WhenWritten::deserialize(deserializer).map(Some)
}

/// The name of a schedule, a window, or a list of these.
pub(crate) type WhenWritten = Placed<Loose<WindowWritten>>;

/// Days and times.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WindowWritten {
    pub(crate) days: Option<Vec<Written>>,
    pub(crate) from: Option<Written>,
    pub(crate) to: Option<Written>,
    pub(crate) timezone: Option<Written>,
}

/// A single value, keys with values, or a list of these.
#[derive(Debug)]
pub(crate) enum Loose<M> {
    Word(String),
    Map(M),
    List(Vec<Placed<Self>>),
    Nothing,
}

/// An action as written.
#[derive(Debug)]
pub(crate) enum ActionWritten {
    Word(String),
    Redirect(Written),
    /// Something else; it is called by its kind.
    Neither(&'static str),
}

impl ProfileWritten {
    /// Returns the policies that the profile names, whenever they hold.
    pub(crate) fn policy_names(&self) -> impl Iterator<Item = &str> {
        let all = self.policy.iter().flat_map(Placed::each);
        all.filter_map(|one| one.value.name(|timed| &timed.policy))
    }

    /// Returns the lists that the profile names, whatever it does with them and when.
    pub(crate) fn list_names(&self) -> impl Iterator<Item = &str> {
        let timed = self.pass_list.iter().chain(&self.block_list);
        let timed = timed.filter_map(|one| one.value.name(|timed| &timed.list));
        let redirected = self.redirect_list.iter().flat_map(|it| &it.lists);
        timed.chain(redirected.map(|name| name.text.as_str()))
    }
}

impl<M> Placed<Loose<M>> {
    /// Returns what a list holds, or else this alone.
    pub(crate) fn each(&self) -> &[Self] {
        match &self.value {
            Loose::List(all) => all,
            Loose::Word(_) | Loose::Map(_) | Loose::Nothing => std::slice::from_ref(self),
        }
    }
}

impl<M> Loose<M> {
    /// Returns the name, which `of` finds among keys with values.
    fn name<'a>(&'a self, of: impl Fn(&'a M) -> &'a Written) -> Option<&'a str> {
        match self {
            Self::Word(name) => Some(name),
            Self::Map(map) => Some(&of(map).text),
            Self::List(_) | Self::Nothing => None,
        }
    }
}

impl WhenWritten {
    /// Returns what a person calls it: its name, or its windows as they are written.
    pub(crate) fn called(&self) -> String {
        match &self.value {
            Loose::Word(name) => name.clone(),
            Loose::Map(window) => window.called(),
            Loose::List(all) => {
                let names: Vec<String> = all.iter().map(Self::called).collect();
                names.join(" or ")
            }
            Loose::Nothing => String::new(),
        }
    }
}

impl WindowWritten {
    fn called(&self) -> String {
        let text = |written: &Option<Written>, otherwise: &str| {
            let written = written.as_ref().map(|written| written.text.clone());
            written.unwrap_or_else(|| otherwise.to_owned())
        };
        let days = self.days.as_ref().map(|days| {
            let days: Vec<&str> = days.iter().map(|day| day.text.as_str()).collect();
            days.join(", ")
        });
        let days = days.unwrap_or_else(|| "every day".to_owned());
        let (from, to) = (text(&self.from, "00:00"), text(&self.to, "24:00"));
        format!("{days} {from}-{to} {}", text(&self.timezone, ""))
    }
}

impl ErrorActionsWritten {
    /// Returns what is written for each class, in the order of [`AskError::ALL`].
    pub(crate) fn each(&self) -> impl Iterator<Item = (AskError, &Option<Placed<ActionWritten>>)> {
        AskError::ALL.into_iter().map(|class| {
            let written = match class {
                AskError::Connect => &self.connect,
                AskError::Timeout => &self.timeout,
                AskError::Protocol => &self.protocol,
                AskError::Status => &self.status,
                AskError::Overload => &self.overload,
                AskError::BreakerOpen => &self.breaker_open,
            };
            (class, written)
        })
    }
}

impl<'de> Deserialize<'de> for ListWritten {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListVisitor)
    }
}

struct ListVisitor;

impl<'de> Visitor<'de> for ListVisitor {
    type Value = ListWritten;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of entries or `{file: NAME}`")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<ListWritten, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = seq.next_element()? {
            entries.push(entry);
        }
        Ok(ListWritten::Inline(entries))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ListWritten, A::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct FileWritten {
            file: Written,
        }
        let written = FileWritten::deserialize(MapAccessDeserializer::new(map))?;
        Ok(ListWritten::File(written.file))
    }

    // A key without a value is an empty list, as it is for all other lists.
    fn visit_unit<E: Error>(self) -> Result<ListWritten, E> {
        Ok(ListWritten::Inline(Vec::new()))
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<ListWritten, E> {
        Ok(ListWritten::Neither("text"))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<ListWritten, E> {
        Ok(ListWritten::Neither("true or false"))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<ListWritten, E> {
        Ok(ListWritten::Neither("a number"))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<ListWritten, E> {
        Ok(ListWritten::Neither("a number"))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<ListWritten, E> {
        Ok(ListWritten::Neither("a number"))
    }
}

impl<'de, M: Deserialize<'de>> Deserialize<'de> for Loose<M> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LooseVisitor(PhantomData))
    }
}

struct LooseVisitor<M>(PhantomData<M>);

impl<'de, M: Deserialize<'de>> Visitor<'de> for LooseVisitor<M> {
    type Value = Loose<M>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name, or keys with values")
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Self::Value, E> {
        Ok(Loose::Word(word.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        M::deserialize(MapAccessDeserializer::new(map)).map(Loose::Map)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some(one) = seq.next_element()? {
            all.push(one);
        }
        Ok(Loose::List(all))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Loose::Nothing)
    }

    // Names that look like something else are names all the same.
    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Loose::Word(value.to_string()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Loose::Word(value.to_string()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Loose::Word(value.to_string()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Loose::Word(value.to_string()))
    }
}

impl<'de> Deserialize<'de> for ActionWritten {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ActionVisitor)
    }
}

struct ActionVisitor;

impl<'de> Visitor<'de> for ActionVisitor {
    type Value = ActionWritten;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("pass, block or {redirect: \"http://…\"}")
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<ActionWritten, E> {
        Ok(ActionWritten::Word(word.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ActionWritten, A::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct RedirectWritten {
            redirect: Written,
        }
        let written = RedirectWritten::deserialize(MapAccessDeserializer::new(map))?;
        Ok(ActionWritten::Redirect(written.redirect))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<ActionWritten, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(ActionWritten::Neither("a list"))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<ActionWritten, E> {
        Ok(ActionWritten::Neither("true or false"))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<ActionWritten, E> {
        Ok(ActionWritten::Neither("a number"))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<ActionWritten, E> {
        Ok(ActionWritten::Neither("a number"))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<ActionWritten, E> {
        Ok(ActionWritten::Neither("a number"))
    }
}
