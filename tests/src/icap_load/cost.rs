//! What a server costs, from `/proc`.

use std::fs;
use std::time::Duration;

use rustix::param::clock_ticks_per_second;

/// The processes of a server: one, or all of its group.
pub(crate) struct Processes(Vec<u32>);

impl Processes {
    /// Returns a process with those in a group that it leads.
    pub(crate) fn of(leader: u32) -> Self {
        let all = fs::read_dir("/proc").into_iter().flatten().flatten();
        let numbers = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let group = numbers.filter(|process| {
            // The group comes third after the name.
            *process == leader || field(*process, 2) == Some(u64::from(leader))
        });
        Self(group.collect())
    }

    /// Returns the CPU time that they have used, to the tick of the system's clock.
    pub(crate) fn cpu(&self) -> Duration {
        let ticks = |process: &u32| Some(field(*process, 11)? + field(*process, 12)?);
        let ticks: u64 = self.0.iter().filter_map(ticks).sum();
        Duration::from_micros(ticks * 1_000_000 / clock_ticks_per_second())
    }

    /// Returns how much memory they have.
    pub(crate) fn resident_kib(&self) -> u64 {
        let resident = |process: &u32| {
            let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix("VmRSS:"))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        };
        self.0.iter().filter_map(resident).sum()
    }
}

/// Returns the nth field after the name in `/proc/PID/stat`.
fn field(process: u32, nth: usize) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(nth)?.parse().ok()
}
