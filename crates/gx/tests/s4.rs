//! The signal flows of S4 4.3, from the subscriber session to the profile that is selected.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use diameter::command::{CreditControlRequest, ReAuthRequest, RequestType};
use diameter::name::{GX_CAPABILITY_LIST, RESULT_CODE, SN_CF_POLICY_ID, application, result};
use diameter::{Avp, Fields, Identity, Message};
use gx::{Capability, Gx, Note, Release, Settings, Updates};
use sessions::{Fallback, ProfileFacts, Selected, Selection, SessionEvent, SessionKey, Subscriber};

const KEY: SessionKey = SessionKey(1);

#[test]
fn figure_3_a_profile_at_activation() {
    let mut world = World::new(Release::Eight, Some("default"));
    let ccr = world.opens();
    // Both sides say that they know the AVP.
    assert!(ccr.avps.required(GX_CAPABILITY_LIST).is_ok());
    world.answers(&ccr, &[able(), profile(7)]);
    assert_eq!(world.selected(), "child");
}

#[test]
fn figure_3_needs_the_capability_in_both_messages() {
    let mut world = World::new(Release::Eight, Some("default"));
    let ccr = world.opens();
    world.answers(&ccr, &[profile(7)]);
    assert_eq!(
        world.selected(),
        "default",
        "the profile of the access point"
    );
}

#[test]
fn figure_4_an_update_brings_another_profile() {
    for release in [Release::Seven, Release::Eight] {
        let mut world = World::activated(release, Some("default"));
        let ccr = world.changes();
        world.answers(&ccr, &[profile(9)]);
        assert_eq!(world.selected(), "teen", "{release:?}");
    }
}

#[test]
fn section_4_3_2_the_policy_server_brings_another_profile() {
    let mut world = World::activated(Release::Eight, Some("default"));
    world.re_authorizes(&[profile(9)]);
    assert_eq!(world.selected(), "teen");
}

#[test]
fn section_4_3_3_an_update_without_a_profile_ends_it() {
    for (default, expected) in [(Some("default"), "default"), (None, "(default)")] {
        let mut world = World::activated(Release::Seven, default);
        let ccr = world.changes();
        world.answers(&ccr, &[]);
        assert_eq!(world.selected(), expected);
    }
}

#[test]
fn section_4_1_1_later_releases_keep_the_profile() {
    let mut world = World::activated(Release::Eight, Some("default"));
    let ccr = world.changes();
    world.answers(&ccr, &[]);
    assert_eq!(world.selected(), "child");
    world.re_authorizes(&[]);
    assert_eq!(world.selected(), "child");
}

#[test]
fn section_4_1_1_an_id_of_no_profile_ends_filtering() {
    for id in [1234, u32::MAX] {
        for release in [Release::Seven, Release::Eight] {
            let mut world = World::activated(release, Some("default"));
            let ccr = world.changes();
            world.answers(&ccr, &[profile(id)]);
            assert_eq!(world.selected(), "(off)", "{release:?} {id}");
        }
    }
}

/// A subscriber session, its policy server, and what is configured.
struct World {
    gx: Gx,
    selection: Selection,
    now: Instant,
    facts: ProfileFacts,
}

impl World {
    fn new(release: Release, apn_default: Option<&str>) -> Self {
        let defaults = apn_default.map(|profile| ("internet".to_owned(), profile.into()));
        #[expect(
            clippy::disallowed_methods,
            reason = "any moment is as good as another"
        )]
        let now = Instant::now();
        Self {
            gx: Gx::new(settings(release)),
            selection: Selection::new(defaults, Vec::new()),
            now,
            facts: ProfileFacts::Unanswered(Fallback::NextSource),
        }
    }

    /// A session with profile 7.
    fn activated(release: Release, apn_default: Option<&str>) -> Self {
        let mut world = Self::new(release, apn_default);
        let ccr = world.opens();
        world.answers(&ccr, &[able(), profile(7)]);
        assert_eq!(world.selected(), "child");
        world
    }

    fn opens(&mut self) -> Message {
        self.tells(
            SessionEvent::Opened(KEY, subscriber()),
            RequestType::Initial,
        )
    }

    fn changes(&mut self) -> Message {
        self.tells(
            SessionEvent::Changed(KEY, subscriber()),
            RequestType::Update,
        )
    }

    fn tells(&mut self, event: SessionEvent, kind: RequestType) -> Message {
        self.gx.tell(event, self.now).unwrap();
        let ask = self.gx.next_request().unwrap();
        assert_eq!((ask.session, ask.kind), (KEY, kind));
        let request = CreditControlRequest::read(&ask.message).unwrap();
        assert_eq!(request.kind, kind);
        ask.message
    }

    fn answers(&mut self, request: &Message, avps: &[Avp]) {
        let mut answer = request.answer(result::SUCCESS, &pcrf());
        answer.avps.extend(avps.iter().cloned());
        self.gx.answered(KEY, &answer, self.now);
    }

    fn re_authorizes(&mut self, avps: &[Avp]) {
        let request = ReAuthRequest {
            session: "weir.test;77;1".into(),
            application: application::GX,
            origin: pcrf(),
            destination: settings(Release::Eight).own,
            kind: 0,
            avps: avps.to_vec(),
        };
        let answer = self.gx.asked(&request.message());
        let code = answer.avps.required(RESULT_CODE).unwrap();
        assert_eq!(code.number(), Ok(result::SUCCESS));
    }

    /// Returns the profile that the session has now.
    fn selected(&mut self) -> String {
        while let Some(note) = self.gx.note() {
            let Note::Facts(KEY, facts) = note else {
                panic!("{note:?}");
            };
            self.facts = facts;
        }
        let by_id = |id| match id {
            7 => Some(Arc::from("child")),
            9 => Some(Arc::from("teen")),
            _ => None,
        };
        match self
            .selection
            .select_by(&self.facts, by_id, Some("internet"))
        {
            Selected::Profile(name) => name.to_string(),
            Selected::Default => "(default)".to_owned(),
            Selected::Off => "(off)".to_owned(),
        }
    }
}

fn able() -> Avp {
    Avp::optional(GX_CAPABILITY_LIST, 1)
}

fn profile(id: u32) -> Avp {
    Avp::optional(SN_CF_POLICY_ID, id)
}

fn subscriber() -> Arc<Subscriber> {
    Arc::new(Subscriber {
        apn: Some("internet".into()),
        ..Subscriber::default()
    })
}

fn pcrf() -> Identity {
    Identity {
        host: "pcrf.test".into(),
        realm: "test".into(),
    }
}

fn settings(release: Release) -> Settings {
    Settings {
        own: Identity {
            host: "weir.test".into(),
            realm: "test".into(),
        },
        realm: "test".into(),
        state: 77,
        first_id: 0,
        profile_avp: SN_CF_POLICY_ID,
        capability: Some(Capability {
            avp: GX_CAPABILITY_LIST,
            value: 1,
            mask: 1,
        }),
        release,
        updates: Updates::Reported,
        network: 5,
        fallback: Fallback::NextSource,
        patience: Duration::from_secs(10),
        retry: Duration::from_secs(30),
        sessions_max: 4,
    }
}
