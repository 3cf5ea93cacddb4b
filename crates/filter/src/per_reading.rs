use uri::{NormalUri, Readings};

/// One value for each reading of a URI, the normal form's first. Most URIs have one reading, and
/// for those nothing here allocates.
#[derive(Clone, Debug)]
pub(crate) struct PerReading<T> {
    normal: T,
    others: Vec<T>,
}

impl<T> PerReading<T> {
    /// Finds the value of each reading, in their order.
    pub(crate) fn of(readings: &Readings, mut find: impl FnMut(&NormalUri) -> T) -> Self {
        Self {
            normal: find(readings.normal()),
            others: readings.others().iter().map(find).collect(),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        std::iter::once(&self.normal).chain(&self.others)
    }

    pub(crate) fn map<U>(self, mut change: impl FnMut(T) -> U) -> PerReading<U> {
        PerReading {
            normal: change(self.normal),
            others: self.others.into_iter().map(change).collect(),
        }
    }

    /// Makes one value of all, from the normal form's on.
    pub(crate) fn reduce(self, pick: impl FnMut(T, T) -> T) -> T {
        self.others.into_iter().fold(self.normal, pick)
    }
}

impl<T> PerReading<Option<T>> {
    /// Returns the values if no reading is without one.
    pub(crate) fn complete(&self) -> Option<PerReading<&T>> {
        Some(PerReading {
            normal: self.normal.as_ref()?,
            others: self
                .others
                .iter()
                .map(Option::as_ref)
                .collect::<Option<_>>()?,
        })
    }
}
