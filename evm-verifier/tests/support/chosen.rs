//! Which mutants a test tries: all of them take minutes.

/// Of `all`, each Nth from the Kth on, M at most, as `ZKML_MUTANTS=N`, `N:K` or `N:K:M` says; else each `default`th.
/// And N.
pub fn chosen<T>(all: &[T], default: usize) -> (Vec<&T>, usize) {
    let asked = std::env::var("ZKML_MUTANTS").unwrap_or_else(|_| default.to_string());
    let number = |text: &str| -> usize {
        let wrong = "ZKML_MUTANTS: expected N, N:K or N:K:M, such as 1, 16:3 or 1:100:6";
        text.parse()
            .unwrap_or_else(|_| panic!("{wrong}, got {asked}"))
    };
    let mut parts = asked.split(':').map(number);
    let stride = parts.next().unwrap_or(default).max(1);
    let (first, most) = (parts.next().unwrap_or(0), parts.next());
    let all = all.iter().skip(first).step_by(stride);
    (all.take(most.unwrap_or(usize::MAX)).collect(), stride)
}
