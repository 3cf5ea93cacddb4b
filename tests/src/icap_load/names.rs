//! The names that are listed and asked for: the same in every run.

/// Names in the lists.
pub(crate) const LISTED: usize = 100_000;

/// Different hosts that are asked for; every second one is below a listed name.
pub(crate) const ASKED: usize = 200;

/// Different paths that are asked for.
pub(crate) const PATHS: u64 = 1_000;

const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// All names.
pub(crate) struct Names {
    listed: Vec<String>,
    asked: Vec<String>,
}

/// Marsaglia's xorshift: good enough to spread names.
pub(crate) struct Random(u64);

impl Default for Random {
    fn default() -> Self {
        Self(SEED)
    }
}

impl Random {
    /// Returns a number below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }
}

impl Names {
    /// Makes them.
    pub(crate) fn new() -> Self {
        let mut random = Random::default();
        let listed: Vec<String> = (0..LISTED).map(|nth| name(nth, &mut random)).collect();
        let asked = (0..ASKED).map(|nth| match nth % 2 {
            0 => format!("www.{}", listed[nth * (LISTED / ASKED)]),
            _ => format!("www.{}", name(LISTED + nth, &mut random)),
        });
        Self {
            asked: asked.collect(),
            listed,
        }
    }

    /// Returns the names in the lists.
    pub(crate) fn listed(&self) -> impl Iterator<Item = &str> {
        self.listed.iter().map(String::as_str)
    }

    /// Returns one of the hosts that are asked for.
    pub(crate) fn any(&self, random: &mut Random) -> &str {
        let nth = usize::try_from(random.below(ASKED as u64)).unwrap_or_default();
        &self.asked[nth]
    }
}

/// The number keeps names apart, the letters make them of different lengths.
fn name(nth: usize, random: &mut Random) -> String {
    let ends = ["com", "net", "org", "co", "info"];
    let len = 3 + random.below(9);
    let mut name: String = (0..len)
        .map(|_| char::from(b'a' + u8::try_from(random.below(26)).unwrap_or_default()))
        .collect();
    name.push_str(&format!("{nth}.{}.test", ends[nth % ends.len()]));
    name
}
