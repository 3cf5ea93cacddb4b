//! Counts of a database.

/// What a database holds.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Stats {
    /// Distinct names in all categories.
    pub domains: u64,
    /// Distinct URL prefixes in all categories.
    pub urls: u64,
    /// Expressions.
    pub expressions: u64,
    /// Bytes of the database.
    pub bytes: u64,
    /// Each category, in the order of their names.
    pub categories: Vec<CategoryStats>,
}

/// What one category holds.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CategoryStats {
    /// The name.
    pub name: String,
    /// Distinct names.
    pub domains: u64,
    /// Distinct URL prefixes.
    pub urls: u64,
    /// Expressions.
    pub expressions: u64,
}
