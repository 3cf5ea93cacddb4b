//! Two stores on one Redis beside the list that the table in process is compared with.

use proptest::test_runner::{Config as Runs, TestRunner};

use super::*;

#[path = "../../../../crates/sessions/src/live/tests/model.rs"]
mod model;

use model::{CLIENTS, LIMITS, Model, Step, step};

/// Lists of changes that are tried.
const CASES: u32 = 150;

#[test]
fn agrees_with_a_list() {
    if is_missing() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let redis = Redis::start(&[]);
    let mut runner = TestRunner::new(Runs {
        failure_persistence: None,
        ..Runs::with_cases(CASES)
    });
    let steps = proptest::collection::vec(step(), 1..40);
    let ran = runner.run(&steps, |steps| {
        redis.call(&["FLUSHALL"]);
        runtime.block_on(agrees(&redis, &steps));
        Ok(())
    });
    ran.unwrap();
}

async fn agrees(redis: &Redis, steps: &[Step]) {
    let config = Config {
        lifetime_s: LIMITS.lifetime_s,
        ..config(redis)
    };
    let mut gateways = [
        Gateway::up(config.clone()).await,
        Gateway::up(config.clone()).await,
    ];
    let mut model = Model::default();
    for (nth, step) in steps.iter().enumerate() {
        gateways.swap(0, 1);
        let [one, other] = &mut gateways;
        match step {
            // What has ended by itself is dropped by Redis, by its own clock.
            Step::Sweep => continue,
            // Nothing is forgotten: what a gateway knows is elsewhere.
            Step::Restart => {
                let old = std::mem::replace(one, Gateway::up(config.clone()).await);
                old.stop().await;
                continue;
            }
            Step::Report(..)
            | Step::Close(..)
            | Step::Switched(..)
            | Step::Assign(_)
            | Step::Remove(_)
            | Step::Wait(_) => {}
        }
        if let Some(change) = step.change() {
            one.store.change(change, model.now_s).await.unwrap();
        }
        model.apply(step);
        for client in CLIENTS {
            let found = one.id_at(client).await;
            let expected = model.lookup(client);
            assert_eq!(found.as_deref(), expected, "{client} after step {nth}");
            other.wait_for(client, expected).await;
        }
    }
    for gateway in gateways {
        gateway.stop().await;
    }
}
