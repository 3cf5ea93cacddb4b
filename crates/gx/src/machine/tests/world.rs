use super::*;

/// The machine and the time.
pub(super) struct World {
    pub(super) gx: Gx,
    pub(super) now: Instant,
}

impl World {
    pub(super) fn new() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "any moment is as good as another"
        )]
        let now = Instant::now();
        let gx = Gx::new(settings(Release::Eight, Some(1)));
        Self { gx, now }
    }

    /// A world with an open session that has no profile.
    pub(super) fn opened() -> Self {
        let mut world = Self::new();
        world.open(ONE);
        world.request(RequestType::Initial, 0);
        world.answer(ONE, &[]);
        assert_eq!(world.notes(), ["1: nothing"]);
        world
    }

    pub(super) fn open(&mut self, key: SessionKey) {
        let event = SessionEvent::Opened(key, subscriber());
        self.gx.tell(event, self.now).unwrap();
    }

    pub(super) fn change(&mut self, key: SessionKey) {
        let event = SessionEvent::Changed(key, subscriber());
        self.gx.tell(event, self.now).unwrap();
    }

    pub(super) fn ask(&mut self) -> Message {
        self.gx.next_request().unwrap().message
    }

    #[track_caller]
    pub(super) fn request(&mut self, kind: RequestType, number: u32) -> CreditControlRequest {
        let message = self.ask();
        let request = CreditControlRequest::read(&message).unwrap();
        assert_eq!((request.kind, request.number), (kind, number));
        let written = message.avps.required(CC_REQUEST_NUMBER).unwrap();
        assert_eq!(written.number(), Ok(number));
        request
    }

    /// Answers what was asked for a session last, or is next.
    pub(super) fn answer(&mut self, key: SessionKey, avps: &[Avp]) {
        let _ = self.gx.next_request();
        let reply = self.reply_for(key, result::SUCCESS, avps);
        self.gx.answered(key, &reply, self.now);
    }

    pub(super) fn decline(&mut self, key: SessionKey, code: u32) {
        let reply = self.reply_for(key, code, &[]);
        self.gx.answered(key, &reply, self.now);
    }

    pub(super) fn reply_for(&self, key: SessionKey, code: u32, avps: &[Avp]) -> Message {
        let mut reply = Self::ccr().answer(code, &pcrf());
        let id = &self.gx.sessions[&key].id;
        reply.avps.push(Avp::mandatory(SESSION_ID, &**id));
        reply.avps.push(Avp::optional(GX_CAPABILITY_LIST, 1));
        reply.avps.extend(avps.iter().cloned());
        reply
    }

    pub(super) fn reply(&self, request: &Message, avps: &[Avp]) -> Message {
        let mut reply = request.answer(result::SUCCESS, &pcrf());
        reply.avps.push(Avp::optional(GX_CAPABILITY_LIST, 1));
        reply.avps.extend(avps.iter().cloned());
        reply
    }

    pub(super) fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.gx.tick(self.now);
    }

    /// Returns the notes since the last look, in words.
    pub(super) fn notes(&mut self) -> Vec<String> {
        let notes = std::iter::from_fn(|| self.gx.note());
        notes
            .map(|note| match note {
                Note::Facts(key, ProfileFacts::Said { id, rules }) => {
                    let id = id.map(|id| format!("id {id}"));
                    let words: Vec<String> = id
                        .into_iter()
                        .chain(rules.iter().map(ToString::to_string))
                        .collect();
                    let words = words.join(", ");
                    let nothing = words.is_empty().then_some("nothing");
                    format!("{}: {}", key.0, nothing.unwrap_or(&words))
                }
                Note::Facts(key, ProfileFacts::Unanswered(Fallback::NextSource)) => {
                    format!("{}: unanswered", key.0)
                }
                Note::Facts(key, ProfileFacts::Unanswered(fallback)) => {
                    format!("{}: {fallback:?}", key.0)
                }
                Note::Declined(code) => format!("declined {code}"),
                Note::BadAnswer(bad) => format!("bad: {bad}"),
            })
            .collect()
    }

    /// A CCR without a session.
    pub(super) fn ccr() -> Message {
        let mut message = rar(1, Vec::new());
        message.header.command = command_code::CREDIT_CONTROL;
        message.avps.retain(|avp| avp.name() != SESSION_ID);
        message
    }
}

pub(super) fn subscriber() -> Arc<Subscriber> {
    Arc::new(Subscriber {
        msisdn: Some("491700000001".into()),
        imsi: Some("001010000000007".into()),
        apn: Some("internet".into()),
        ranges: vec![
            "10.7.0.2/32".parse().unwrap(),
            "2001:db8:7::/64".parse().unwrap(),
        ],
    })
}

pub(super) fn profile(id: u32) -> Avp {
    Avp::optional(SN_CF_POLICY_ID, id)
}

pub(super) fn rule(name: &str) -> Avp {
    let name = Avp::mandatory(CHARGING_RULE_NAME, name);
    Avp::mandatory(CHARGING_RULE_INSTALL, vec![name])
}

pub(super) fn pcrf() -> Identity {
    Identity {
        host: "pcrf.policy.example".into(),
        realm: "policy.example".into(),
    }
}

/// A RAR for the session that was opened as this one.
pub(super) fn rar(number: u64, avps: Vec<Avp>) -> Message {
    let request = ReAuthRequest {
        session: format!("weir.policy.example;77;{number}").into(),
        application: application::GX,
        origin: pcrf(),
        destination: settings(Release::Eight, None).own,
        kind: 0,
        avps,
    };
    request.message()
}

pub(super) fn other_host(mut request: Message) -> Message {
    request.avps.retain(|avp| avp.name() != DESTINATION_HOST);
    request
        .avps
        .push(Avp::mandatory(DESTINATION_HOST, "other.policy.example"));
    request
}

pub(super) fn code(answer: &Message) -> u32 {
    answer.avps.required(RESULT_CODE).unwrap().number().unwrap()
}
