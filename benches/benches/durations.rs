//! How long each operation takes.

use std::time::Duration;

use criterion::Criterion;

fn main() {
    // Short: the machine's noise is greater than what more time would smooth.
    let mut criterion = Criterion::default()
        .without_plots()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(700))
        .nresamples(2_000)
        .configure_from_args();
    for mut subject in benches::subjects() {
        criterion.bench_function(subject.name(), |bencher| bencher.iter(|| subject.run()));
    }
    criterion.final_summary();
}
