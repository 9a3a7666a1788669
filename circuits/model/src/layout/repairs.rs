//! Rules that tests undo, one at a time, to see that the enemy finds what each is for. Elsewhere all of them hold.

/// A rule of `docs/circuit.md`, "What the layout relies on", that was once not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    /// A clamp is left out only where no witness goes beyond it.
    Clamps,
    /// A weight has one home.
    Sharing,
    /// Declared ranges are within words.
    Words,
    /// The lower of two limbs is below the base of the upper one.
    Limbs,
    /// Constants are exact.
    Constants,
    /// Pads of hashed inputs are constants.
    Pads,
}

#[cfg(test)]
thread_local! {
    static UNDONE: std::cell::Cell<Option<Repair>> = const { std::cell::Cell::new(None) };
}

/// Runs `work` without a rule, on this thread.
#[cfg(test)]
pub fn without<T>(repair: Repair, work: impl FnOnce() -> T) -> T {
    UNDONE.set(Some(repair));
    let result = work();
    UNDONE.set(None);
    result
}

/// Whether a test has undone a rule.
#[cfg(test)]
pub fn undone(repair: Repair) -> bool {
    UNDONE.get() == Some(repair)
}

/// Whether a test has undone a rule: there are none here.
#[cfg(not(test))]
pub const fn undone(_: Repair) -> bool {
    false
}
