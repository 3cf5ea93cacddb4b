//! The category database: compile lists, look URIs up, say how far an answer holds.
//!
//! [`Builder`] takes the texts of lists in squidGuard's layout (one folder a category, with the
//! files `domains`, `urls` and `expressions`) and compiles them into a [`Database`]: one immutable
//! run of bytes, checksummed, and equal for equal rules. Look-ups ignore scheme and port, compare
//! names exactly, and unite the categories of every rule that matches.
//!
//! ```
//! use categories::{Builder, ListKind};
//!
//! let mut builder = Builder::new();
//! builder.add_file("press", ListKind::Domains, "press/domains", b"news.example\n").unwrap();
//! let database = builder.build().unwrap();
//! let readings = uri::Readings::parse(b"https://www.news.example/today").unwrap();
//! let found = database.lookup(&readings);
//! assert_eq!(found.categories().collect::<Vec<_>>(), ["press"]);
//! assert_eq!(found.prefix_len(), Some("https://www.news.example/".len()));
//! ```

mod builder;
mod bytes;
mod compile;
mod database;
mod expression;
mod file;
mod report;
mod rules;
mod set;
mod stats;
mod table;
mod urls;

pub use builder::{BuildError, Builder, LINE_LEN_MAX, ListKind};
pub use database::{Database, Found};
pub use expression::EXPRESSIONS_MAX;
pub use file::{FORMAT_VERSION, InvalidDatabase};
pub use report::{BAD_LINES_KEPT_MAX, BadLine, LineFault, Report};
pub use set::{CATEGORIES_MAX, CATEGORY_LEN_MAX};
pub use stats::{CategoryStats, Stats};
