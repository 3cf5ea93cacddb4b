//! What a policy file has and nothing needs.

use super::profiles::Compiler;
use super::warnings::ENTRIES_SHOWN_MAX;
use crate::file::PolicyFile;
use crate::{Profile, Warning};

impl Compiler<'_> {
    /// Warns of lists, policies and entries that change nothing. `profiles` are those of the file
    /// in its order.
    pub(super) fn warn_of_unused(&mut self, file: &PolicyFile, profiles: &[Profile]) {
        for (name, _) in &file.lists.0 {
            let users = self.list_users.get(name.text.as_str()).cloned();
            match users {
                Some(users) => {
                    let users: Vec<&Profile> =
                        users.iter().filter_map(|it| profiles.get(*it)).collect();
                    self.warn_of_shadowed(&name.text, &users);
                }
                None => {
                    let text = format!("no profile names the list `{}`", name.text);
                    self.remarks.warning(Warning::UnusedList, name.place, text);
                }
            }
        }
        for (name, _) in &file.policies.0 {
            let mut named = file.profiles.value.0.iter();
            if !named.any(|(_, it)| it.policy_names().any(|it| it == name.text)) {
                let text = format!("no profile names the policy `{}`", name.text);
                self.remarks
                    .warning(Warning::UnusedPolicy, name.place, text);
            }
        }
    }

    /// Warns of entries of a list that change nothing in any of the profiles that use it.
    fn warn_of_shadowed(&mut self, list: &str, users: &[&Profile]) {
        if self.remarks.allowed().contains(&Warning::ShadowedEntry) {
            return;
        }
        let entries = self.lists.get(list).map(Vec::as_slice).unwrap_or_default();
        let mut shadowed = entries.iter().filter_map(|read| {
            let mut spares = users.iter().map(|user| user.lists.spare(&read.entry));
            let first = spares.next()??;
            spares.all(|spare| spare.is_some()).then_some((read, first))
        });
        let mut last = None;
        for (read, spare) in shadowed.by_ref().take(ENTRIES_SHOWN_MAX) {
            let text = format!(
                "`{}` changes nothing, as `{spare}` covers it with the same action",
                read.rule
            );
            self.remarks
                .warning_at(Warning::ShadowedEntry, &read.site, text);
            last = Some(&read.site);
        }
        let rest = shadowed.count();
        if let (Some(site), 1..) = (last, rest) {
            let text = format!("{rest} more entries of list `{list}` change nothing");
            self.remarks.warning_at(Warning::ShadowedEntry, site, text);
        }
    }
}
