use super::*;

const LIFETIME: Duration = Duration::from_millis(100);

#[test]
fn exact_goes_before_prefix_and_longer_before_shorter() {
    let mut cache = cache(8);
    put(&mut cache, "http://a.example/", Some(17), "origin");
    put(&mut cache, "http://a.example/p/q", Some(19), "path");
    put(&mut cache, "http://a.example/p/q", None, "exact");
    check(&mut cache, "http://a.example/p/q", "exact");
    check(&mut cache, "http://a.example/p/r", "path");
    check(&mut cache, "http://a.example/x", "origin");
    check(&mut cache, "http://a.example:8080/x", "");
    check(&mut cache, "https://a.example/x", "");
    check(&mut cache, "http://a.example.net/", "");
}

#[test]
fn profiles_are_told_apart_and_share_the_capacity() {
    let mut cache = cache(2);
    put_for(&mut cache, "one", "http://a.example/", None, "one");
    put_for(&mut cache, "two", "http://a.example/", Some(17), "two");
    assert_eq!(
        look_up(&mut cache, "one", "http://a.example/", start()),
        "one"
    );
    assert_eq!(
        look_up(&mut cache, "two", "http://a.example/", start()),
        "two"
    );
    put_for(&mut cache, "two", "http://b.example/", None, "b");
    assert_eq!(cache.len(), 2);
    assert_eq!(look_up(&mut cache, "one", "http://a.example/", start()), "");
    assert_eq!(
        look_up(&mut cache, "two", "http://a.example/", start()),
        "two"
    );
}

#[test]
fn uris_over_the_limit_are_not_cached() {
    let mut cache = cache(8);
    let longest = format!("http://a.example/{}", "x".repeat(CACHED_URI_LEN_MAX - 17));
    let too_long = format!("{longest}x");
    put(&mut cache, &too_long, None, "exact");
    put(&mut cache, &too_long, Some(17), "prefix");
    assert_eq!(cache.len(), 0);
    put(&mut cache, &longest, None, "exact");
    check(&mut cache, &longest, "exact");
}

#[test]
fn an_origin_with_all_lengths_taken_gets_exact_entries() {
    let mut cache = cache(100);
    let path = "x".repeat(PREFIX_LENGTHS_MAX + 1);
    let uri = format!("http://a.example/{path}");
    for len in 17..17 + PREFIX_LENGTHS_MAX {
        put(&mut cache, &uri, Some(len), "prefix");
    }
    let len_max = uri.len() - 1;
    put(&mut cache, &uri, Some(len_max), "exact");
    check(&mut cache, &uri, "exact");
    check(&mut cache, &format!("{uri}y"), "prefix");
    // A length that is there already may have more entries.
    put(&mut cache, "http://a.example/yyyy", Some(20), "more");
    check(&mut cache, "http://a.example/yyyz", "more");
}

#[test]
fn a_length_that_is_gone_makes_room() {
    let mut cache = cache(1);
    for len in 17..17 + 2 * PREFIX_LENGTHS_MAX {
        let uri = format!("http://a.example/{}", "x".repeat(2 * PREFIX_LENGTHS_MAX));
        put(&mut cache, &uri, Some(len), "prefix");
        check(&mut cache, &format!("{uri}y"), "prefix");
    }
    assert_eq!(cache.lengths.len(), 1);
}

#[test]
fn a_prefix_that_does_not_cover_the_authority_is_exact() {
    let mut cache = cache(8);
    put(&mut cache, "http://a.example/p", Some(16), "exact");
    check(&mut cache, "http://a.example/q", "");
    check(&mut cache, "http://a.example/p", "exact");
}

#[test]
fn an_entry_ends_after_its_lifetime() {
    let uri = &NormalUri::parse(b"http://a.example/").unwrap();
    for (lifetime, lives) in [
        (None, 100),
        (Some(Duration::from_millis(40)), 40),
        (Some(Duration::MAX), 100),
    ] {
        for extent in [Extent::Exact, Extent::Prefix(17)] {
            let mut cache = cache(8);
            let profile = &"child".into();
            let entry = Entry {
                profile,
                uri,
                extent,
                times: Active::NONE,
            };
            let last = start() + Duration::from_millis(lives - 1);
            let over = start() + Duration::from_millis(lives);
            cache.insert(entry, fact("x"), lifetime, start());
            assert!(cache.look_up("child", uri, last).is_some());
            assert!(cache.look_up("child", uri, over).is_none());
            assert_eq!((cache.len(), cache.lengths.len()), (0, 0));
        }
    }
}

#[test]
fn a_lifetime_of_nothing_is_not_cached() {
    let uri = &NormalUri::parse(b"http://a.example/").unwrap();
    let entry = Entry {
        profile: &"child".into(),
        uri,
        extent: Extent::Exact,
        times: Active::NONE,
    };
    let mut cache = cache(8);
    cache.insert(entry, fact("x"), Some(Duration::ZERO), start());
    assert_eq!(cache.len(), 0);
}

#[test]
fn agrees_with_a_naive_model() {
    for seed in 0..300 {
        println!("seed {seed}");
        agree(seed);
    }
}

/// Plays random entries, look-ups and steps of time to the cache and to the model.
fn agree(seed: u64) {
    let mut random = Random(seed);
    let capacity = 1 + random.below(12);
    let mut cache = cache(capacity);
    let mut model = Model {
        entries: Vec::new(),
        capacity,
    };
    let mut now = start();
    for step in 0..300 {
        let profile: Arc<str> = ["one", "two"][random.below(2)].into();
        let uri = random.uri();
        match random.below(8) {
            0..4 => assert_eq!(
                look_up(&mut cache, &profile, uri.as_str(), now),
                model.look_up(&profile, &uri, now),
                "seed {seed} step {step}: {uri}"
            ),
            4..7 => {
                let text_len = uri.as_str().len();
                let extent = match random.below(3) {
                    0 => Extent::Exact,
                    1 => Extent::Prefix(uri.origin_len()),
                    _ => Extent::Prefix(uri.origin_len() + random.below(text_len)),
                };
                let entry = Entry {
                    profile: &profile,
                    uri: &uri,
                    extent,
                    times: Active::NONE,
                };
                let lifetime = match random.below(4) {
                    0 => Some(Duration::from_millis(random.below(60) as u64)),
                    _ => None,
                };
                let name = format!("fact {step}");
                cache.insert(entry, fact(&name), lifetime, now);
                model.insert(entry, name, lifetime.unwrap_or(LIFETIME), now);
            }
            _ => now += Duration::from_millis(random.below(40) as u64),
        }
        assert_eq!(cache.len(), model.entries.len(), "seed {seed} step {step}");
    }
    let mut origins: Vec<_> = model.entries.iter().filter_map(Modelled::origin).collect();
    origins.sort_unstable();
    origins.dedup();
    assert_eq!(cache.lengths.len(), origins.len(), "seed {seed}");
}

/// The same in the simplest way: entries from the least to the most recently used.
struct Model {
    entries: Vec<Modelled>,
    capacity: usize,
}

#[derive(Clone)]
struct Modelled {
    profile: Arc<str>,
    kind: Kind,
    text: String,
    origin_len: usize,
    name: String,
    over: Instant,
}

impl Modelled {
    fn origin(&self) -> Option<(&str, &str)> {
        let origin = self.text.get(..self.origin_len)?;
        (self.kind == Kind::Prefix).then_some((&*self.profile, origin))
    }
}

impl Model {
    fn look_up(&mut self, profile: &str, uri: &NormalUri, now: Instant) -> String {
        let mut matching: Vec<_> = self.entries.clone();
        matching.retain(|entry| {
            &*entry.profile == profile
                && match entry.kind {
                    Kind::Exact => entry.text == uri.as_str(),
                    Kind::Prefix => uri.as_str().starts_with(&entry.text),
                }
        });
        matching.sort_by_key(|entry| (entry.kind == Kind::Prefix, usize::MAX - entry.text.len()));
        for found in matching {
            let entry = self.take(&found);
            if now < entry.over {
                self.entries.push(entry);
                return found.name;
            }
        }
        String::new()
    }

    fn insert(&mut self, entry: Entry<'_>, name: String, lifetime: Duration, now: Instant) {
        if lifetime.is_zero() {
            return;
        }
        let uri = entry.uri;
        let mut new = Modelled {
            profile: Arc::clone(entry.profile),
            kind: Kind::Exact,
            text: uri.as_str().to_owned(),
            origin_len: uri.origin_len(),
            name,
            over: now + lifetime,
        };
        if let Extent::Prefix(len) = entry.extent
            && let Some(text) = uri.as_str().get(..len)
        {
            let prefix = Modelled {
                kind: Kind::Prefix,
                text: text.to_owned(),
                ..new.clone()
            };
            let mut lengths: Vec<_> = self.entries.iter().collect();
            lengths.retain(|other| other.origin() == prefix.origin());
            let mut lengths: Vec<_> = lengths.iter().map(|other| other.text.len()).collect();
            lengths.push(len);
            lengths.sort_unstable();
            lengths.dedup();
            if lengths.len() <= PREFIX_LENGTHS_MAX {
                new = prefix;
            }
        }
        if self.entries.iter().any(|old| old.is_same(&new)) {
            self.take(&new);
        }
        self.entries.push(new);
        if self.entries.len() > self.capacity {
            self.entries.remove(0);
        }
    }

    fn take(&mut self, wanted: &Modelled) -> Modelled {
        let index = self.entries.iter().position(|it| it.is_same(wanted));
        self.entries.remove(index.unwrap())
    }
}

impl Modelled {
    fn is_same(&self, other: &Self) -> bool {
        (&self.profile, self.kind, &self.text) == (&other.profile, other.kind, &other.text)
    }
}

/// Numbers from a seed (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % bound as u64).unwrap()
    }

    fn uri(&mut self) -> NormalUri {
        let mut text = ["http://a.example/", "http://b.example/"][self.below(2)].to_owned();
        for _ in 0..self.below(5) {
            text += ["a/", "b/", "a"][self.below(3)];
        }
        NormalUri::parse(text.as_bytes()).unwrap()
    }
}

fn cache(entries_max: usize) -> Cache {
    Cache::new(CacheLimits {
        entries_max: NonZeroUsize::new(entries_max),
        lifetime: LIFETIME,
    })
    .unwrap()
}

fn put(cache: &mut Cache, uri: &str, prefix_len: Option<usize>, name: &str) {
    put_for(cache, "child", uri, prefix_len, name);
}

fn put_for(cache: &mut Cache, profile: &str, uri: &str, prefix_len: Option<usize>, name: &str) {
    let entry = Entry {
        profile: &profile.into(),
        uri: &NormalUri::parse(uri.as_bytes()).unwrap(),
        extent: prefix_len.map_or(Extent::Exact, Extent::Prefix),
        times: Active::NONE,
    };
    cache.insert(entry, fact(name), None, start());
}

#[track_caller]
fn check(cache: &mut Cache, uri: &str, expected: &str) {
    assert_eq!(look_up(cache, "child", uri, start()), expected);
}

/// Returns the name of the fact that is found, or nothing.
fn look_up(cache: &mut Cache, profile: &str, uri: &str, now: Instant) -> String {
    let uri = NormalUri::parse(uri.as_bytes()).unwrap();
    match cache.look_up(profile, &uri, now) {
        Some((Fact::Told(told), _)) => told.categories[0].to_string(),
        Some((Fact::Listed { .. }, _)) => panic!("only categories were put in"),
        None => String::new(),
    }
}

fn fact(name: &str) -> Fact {
    Fact::Told(crate::verdict::Told {
        categories: [name.into()].into(),
        verdict: None,
    })
}

/// Any time will do, as long as it is the same in one test.
fn start() -> Instant {
    use std::sync::LazyLock;
    #[expect(
        clippy::disallowed_methods,
        reason = "an instant comes from nowhere else"
    )]
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    *START
}
