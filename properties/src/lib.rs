//! What must hold for any bytes whatever: the bodies of the fuzz targets.
//!
//! Each function takes bytes as a stranger sends them, or an author writes them, has the crates
//! read them, and panics where a promise is not kept. `cargo test` calls it with the committed
//! corpus and the fixtures, `cargo xtask fuzz` with whatever libFuzzer comes up with.

#![expect(
    clippy::indexing_slicing,
    clippy::panic_in_result_fn,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a panic is how a property fails"
)]

mod category_database;
mod category_list;
mod client_hello;
mod cuts;
mod decision;
mod diameter_message;
mod http_chunks;
mod http_head;
mod icap_message;
mod normal_form;
mod policy_file;
mod radius_accounting;
mod redirect_template;

pub use crate::category_database::category_database;
pub use crate::category_list::category_list;
pub use crate::client_hello::client_hello;
pub use crate::decision::decision;
pub use crate::diameter_message::diameter_message;
pub use crate::http_chunks::http_chunks;
pub use crate::http_head::http_head;
pub use crate::icap_message::icap_message;
pub use crate::normal_form::normal_form;
pub use crate::policy_file::policy_file;
pub use crate::radius_accounting::radius_accounting;
pub use crate::redirect_template::redirect_template;

/// A property of bytes.
pub type Property = fn(&[u8]);

/// All properties, each under the name of its fuzz target and of its folder in the corpus.
pub const ALL: [(&str, Property); 12] = [
    ("category_database", category_database),
    ("category_list", category_list),
    ("client_hello", client_hello),
    ("decision", decision),
    ("diameter_message", diameter_message),
    ("http_chunks", http_chunks),
    ("http_head", http_head),
    ("icap_message", icap_message),
    ("normal_form", normal_form),
    ("policy_file", policy_file),
    ("radius_accounting", radius_accounting),
    ("redirect_template", redirect_template),
];
