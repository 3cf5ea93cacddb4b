/// Values taken in turn, so that neither caches nor branch prediction learn a single one.
#[derive(Clone, Debug)]
pub(crate) struct Turns<T> {
    values: Vec<T>,
    next: usize,
}

impl<T> Turns<T> {
    pub(crate) fn of(values: impl IntoIterator<Item = T>) -> Self {
        Self {
            values: values.into_iter().collect(),
            next: 0,
        }
    }

    /// Returns the next value, after the last the first.
    pub(crate) fn take(&mut self) -> &T {
        let current = self.next;
        self.next = (current + 1) % self.values.len();
        self.values.get(current).unwrap()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.values.iter()
    }
}
