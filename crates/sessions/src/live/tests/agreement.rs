//! The table beside the list.

use proptest::prelude::*;

use super::model::{CLIENTS, LIMITS, Model, Step, step};
use super::*;

fn apply(live: &mut LiveSessions, step: &Step, now_s: u32) {
    if let Some(change) = step.change() {
        live.apply(&change, now_s).unwrap();
        return;
    }
    match step {
        Step::Sweep => {
            live.sweep(now_s);
        }
        Step::Restart => {
            let bytes = live.snapshot();
            *live = LiveSessions::new(LIMITS);
            live.restore(&bytes, now_s).unwrap();
        }
        Step::Report(..)
        | Step::Close(..)
        | Step::Switched(..)
        | Step::Assign(_)
        | Step::Remove(_)
        | Step::Wait(_) => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn agrees_with_a_list(steps in proptest::collection::vec(step(), 1..40)) {
        let mut live = LiveSessions::new(LIMITS);
        let mut model = Model::default();
        for (nth, step) in steps.iter().enumerate() {
            apply(&mut live, step, model.now_s);
            model.apply(step);
            prop_assert_eq!(live.len(), model.open.len(), "after step {}", nth);
            for client in CLIENTS {
                let found = id_at(&live, client);
                prop_assert_eq!(found.as_deref(), model.lookup(client), "{} after step {}", client, nth);
            }
        }
    }
}
