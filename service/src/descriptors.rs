use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit of open files to the most that is allowed without privileges, and returns it.
/// None: unlimited.
///
/// Shells start programs with 1024, which a few hundred connections use up.
///
/// # Errors
///
/// Fails if the system refuses.
pub fn raise_descriptor_limit() -> io::Result<Option<u64>> {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum;
    if limit.current != most {
        let raised = Rlimit {
            current: most,
            maximum: most,
        };
        setrlimit(Resource::Nofile, raised)?;
    }
    Ok(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        let most = raise_descriptor_limit().unwrap();
        assert_eq!(getrlimit(Resource::Nofile).current, most);
    }
}
