//! What weights are made of. Weights that several nodes read are one tensor: two are two sets of cells, which nothing
//! says are equal.

/// What weights are made of: numbers of the file, and how.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Made {
    what: &'static str,
    from: Vec<usize>,
    how: Vec<usize>,
}

impl Made {
    /// The same numbers, made in the same way, are the same weights. They go by where they lie or by their index,
    /// never by their values: that two are equal would show.
    pub fn of(what: &'static str, from: Vec<usize>, how: &[usize]) -> Self {
        let how = how.to_vec();
        Made { what, from, how }
    }

    /// Made further.
    pub(super) fn then(mut self, how: &[usize]) -> Self {
        self.how.extend(how);
        self
    }
}

/// Numbers of the file that become weights.
#[derive(Clone, Debug)]
pub(super) struct Learned<W> {
    /// Their shape and values.
    pub numbers: (Vec<usize>, Vec<W>),
    /// What they are.
    pub made: Made,
}

impl<W> Learned<W> {
    /// In another arrangement, which depends on `how` alone.
    pub fn arranged(&self, how: &[usize], numbers: (Vec<usize>, Vec<W>)) -> Self {
        let made = self.made.clone().then(how);
        Learned { numbers, made }
    }
}
