use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::destinations::Destinations;
use crate::file::PolicyWritten;
use crate::remarks::Site;
use crate::written::{Named, Remarks, Written};
use crate::{Action, CategoryPolicy, DestinationId};

/// A policy, with the places of its destinations.
#[derive(Debug)]
pub(super) struct CompiledPolicy<'a> {
    pub(super) policy: Arc<CategoryPolicy>,
    pub(super) redirects: Vec<(&'a Written, DestinationId)>,
}

pub(super) fn compile<'a>(
    policies: &'a Named<PolicyWritten>,
    destinations: &mut Destinations,
    remarks: &mut Remarks,
) -> BTreeMap<&'a str, CompiledPolicy<'a>> {
    let compiled = policies.0.iter().map(|(name, written)| {
        let mut actions = Actions::default();
        actions.add(&written.pass, Action::Pass, remarks);
        actions.add(&written.block, Action::Block, remarks);
        let mut redirects = Vec::new();
        for redirect in &written.redirect {
            // Categories are compared even if the destination is wrong.
            let id = destinations.add(&redirect.to, remarks);
            let action = id.map_or(Action::Block, Action::Redirect);
            actions.add(&redirect.categories, action, remarks);
            redirects.extend(id.map(|id| (&redirect.to, id)));
        }
        let actions = actions.by_category;
        let actions = actions
            .into_iter()
            .map(|(name, (action, _))| (name, action));
        let policy = Arc::new(CategoryPolicy::new(&name.text, actions));
        (name.text.as_str(), CompiledPolicy { policy, redirects })
    });
    compiled.collect()
}

#[derive(Default)]
struct Actions {
    by_category: HashMap<String, (Action, Site)>,
}

impl Actions {
    fn add(&mut self, categories: &[Written], action: Action, remarks: &mut Remarks) {
        for text in categories {
            let category = text.text.to_ascii_lowercase();
            if let Some(wrong) = wrong_category(&category) {
                remarks.error(text.place, wrong);
                continue;
            }
            let site = remarks.site(text.place);
            if let Some((_, first)) = self.by_category.get(&category) {
                let text = format!(
                    "category `{category}` is in this policy twice, first at {first}; keep one"
                );
                remarks.error_at(&site, text);
                continue;
            }
            self.by_category.insert(category, (action, site));
        }
    }
}

/// Says why no categorizer can answer such a category.
pub(crate) fn wrong_category(category: &str) -> Option<String> {
    let cannot = category.is_empty()
        || category.trim() != category
        || category.contains(|c: char| c == ',' || c.is_control());
    cannot.then(|| {
        format!(
            "`{}` is not a category; use a name without commas and without spaces at its ends",
            category.escape_debug()
        )
    })
}
