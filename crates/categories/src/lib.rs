//! The category database: compile lists, look URIs up, say how far an answer holds.
//!
//! [`Builder`] takes the texts of lists, of which [`ListKind`] says what their lines are, and
//! compiles them into a [`Database`]: one immutable run of bytes, checksummed, and equal for equal
//! rules. Look-ups ignore scheme and port, compare names exactly, and unite the categories of every
//! rule that matches. [`Overrides`] are put on top of it.
//!
//! The way of a rule through the modules: `list` reads lines and `report` keeps what is wrong with
//! them; `rules` collects and sorts; `builder` joins what was read in parts; `compile` unites each
//! name with what is listed above it; `set` numbers sets of categories, `table` hashes names, `urls`
//! orders paths, `expression` rewrites POSIX, `file` puts checksums around it all. `database` reads
//! that back and looks up; `overrides` and `diff` need nothing but that.
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
mod diff;
mod expression;
mod file;
mod list;
mod overrides;
mod parallel;
mod report;
mod rules;
mod set;
mod stats;
mod suffix;
mod table;
mod urls;

pub use builder::{BuildError, Builder, Sample};
pub use database::{Database, Found};
pub use diff::{CategoryChange, Change, Listed};
pub use expression::EXPRESSIONS_MAX;
pub use file::{Compiled, FORMAT_VERSION, InvalidDatabase, sealed};
pub use list::{LINE_LEN_MAX, ListKind, Parsed};
pub use overrides::{OVERRIDES_MAX, Overrides};
pub use report::{BAD_LINES_KEPT_MAX, BAD_PERCENT_MAX, BadLine, LineFault, Report};
pub use set::{CATEGORIES_MAX, CATEGORY_LEN_MAX};
pub use stats::{CategoryStats, Stats};
