//! Which mutants a test tries: all of them take minutes.

/// Of `all`, each Nth from the Kth on, as `ZKML_MUTANTS=N` or `N:K` says; else each `default`th. And N.
pub fn chosen<T>(all: &[T], default: usize) -> (Vec<&T>, usize) {
    let asked = std::env::var("ZKML_MUTANTS").unwrap_or_else(|_| default.to_string());
    let (stride, first) = asked.split_once(':').unwrap_or((&asked, "0"));
    let number = |text: &str| -> usize {
        let wrong = "ZKML_MUTANTS: expected N or N:K, such as 1 or 16:3";
        text.parse()
            .unwrap_or_else(|_| panic!("{wrong}, got {asked}"))
    };
    let (stride, first) = (number(stride).max(1), number(first));
    (all.iter().skip(first).step_by(stride).collect(), stride)
}
