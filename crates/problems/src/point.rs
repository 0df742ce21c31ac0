//! Where oracles are asked.

/// θ and v, with what is derived from them without a gradient. A problem itself never changes.
#[derive(Clone, Copy, Debug)]
pub struct Point<'a, T> {
    /// θ, d entries.
    pub inner: &'a [T],
    /// v, p entries.
    pub outer: &'a [T],
    /// What [`Problem::refresh`](crate::Problem::refresh) derived, `signals_len` entries; zeros before the first time.
    pub signals: &'a [T],
}

impl<'a, T> Point<'a, T> {
    /// A point without signals, for problems that have none.
    pub fn new(inner: &'a [T], outer: &'a [T]) -> Self {
        Self { inner, outer, signals: &[] }
    }
}
