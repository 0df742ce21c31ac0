//! Where oracles are asked: handles to θ, v and signals.

use nhgd_problems::Point as Slices;

use crate::vector::Guard;
use crate::{Element, Result, Vector};

/// Handles to θ, to v, and to what a problem derives from them without a gradient.
#[derive(Clone, Debug)]
pub struct Point {
    inner: Vector,
    outer: Vector,
    signals: Vector,
}

impl Point {
    /// Shares the three vectors.
    pub fn new(inner: &Vector, outer: &Vector, signals: &Vector) -> Self {
        Self { inner: inner.clone(), outer: outer.clone(), signals: signals.clone() }
    }

    /// θ, a handle to the point's own vector.
    pub fn inner(&self) -> Vector {
        self.inner.clone()
    }

    /// v, a handle to the point's own vector.
    pub fn outer(&self) -> Vector {
        self.outer.clone()
    }

    /// The signals, a handle to the point's own vector.
    pub fn signals(&self) -> Vector {
        self.signals.clone()
    }

    /// A point with another θ that shares v and the signals with this one.
    pub fn at(&self, inner: &Vector) -> Self {
        Self { inner: inner.clone(), ..self.clone() }
    }

    pub(crate) fn lock(&self) -> Result<Here<'_>> {
        Ok(Here {
            inner: self.inner.lock("inner")?,
            outer: self.outer.lock("outer")?,
            signals: self.signals.lock("signals")?,
        })
    }
}

/// The entries of a point, in use until dropped.
pub(crate) struct Here<'a> {
    inner: Guard<'a>,
    outer: Guard<'a>,
    signals: Guard<'a>,
}

impl Here<'_> {
    /// θ, v and the signals as `T`.
    pub fn parts<T: Element>(&mut self) -> Result<(&[T], &[T], &mut [T])> {
        Ok((self.inner.of("inner")?, self.outer.of("outer")?, self.signals.of("signals")?))
    }

    /// The same, to be read.
    pub fn of<T: Element>(&mut self) -> Result<Slices<'_, T>> {
        let (inner, outer, signals) = self.parts()?;
        Ok(Slices { inner, outer, signals })
    }
}
