//! Vectors that live in the backend.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

use nhgd_kernels::{Scalar, vector};

use crate::error::{length, reserved, room};
use crate::{Code, Error, Result};

/// Entries in one of the two scalar types.
#[derive(Clone, Debug)]
pub enum Entries {
    /// Single precision.
    F32(Vec<f32>),
    /// Double precision.
    F64(Vec<f64>),
}

/// A scalar that vectors are made of.
pub trait Element: Scalar {
    /// The entries, if they are of this type.
    fn entries(entries: &mut Entries) -> Option<&mut Vec<Self>>;
    /// Wraps entries.
    fn wrap(entries: Vec<Self>) -> Entries;
}

impl Element for f32 {
    fn entries(entries: &mut Entries) -> Option<&mut Vec<Self>> {
        if let Entries::F32(x) = entries { Some(x) } else { None }
    }
    fn wrap(entries: Vec<Self>) -> Entries {
        Entries::F32(entries)
    }
}

impl Element for f64 {
    fn entries(entries: &mut Entries) -> Option<&mut Vec<Self>> {
        if let Entries::F64(x) = entries { Some(x) } else { None }
    }
    fn wrap(entries: Vec<Self>) -> Entries {
        Entries::F64(entries)
    }
}

/// Runs `$body` with `$x` bound to the entries, whichever their type.
macro_rules! each {
    ($entries:expr, $x:ident => $body:expr) => {
        match $entries {
            Entries::F32($x) => $body,
            Entries::F64($x) => $body,
        }
    };
}

/// A vector of `f32` or `f64`, shared by all clones of the handle.
#[derive(Clone, Debug)]
pub struct Vector(Arc<Mutex<Shared>>);

#[derive(Debug)]
struct Shared {
    entries: Entries,
    disposed: bool,
}

/// The entries of one vector, in use until dropped.
pub(crate) struct Guard<'a>(MutexGuard<'a, Shared>);

impl Deref for Guard<'_> {
    type Target = Entries;
    fn deref(&self) -> &Entries {
        &self.0.entries
    }
}

impl DerefMut for Guard<'_> {
    fn deref_mut(&mut self) -> &mut Entries {
        &mut self.0.entries
    }
}

impl Guard<'_> {
    /// The entries as `T`, `name` being the argument's name.
    pub fn of<T: Element>(&mut self, name: &str) -> Result<&mut Vec<T>> {
        let got = dtype(self);
        T::entries(self).ok_or_else(|| Error::expected(Code::Dtype, name, T::NAME, got))
    }
}

/// `Ok` if every entry of `source` is finite as a `U`, the scalar of `_target`.
fn finite<T: Scalar, U: Scalar>(name: &str, source: &[T], _target: &[U]) -> Result<()> {
    match source.iter().position(|s| !U::of(s.wide()).is_finite()) {
        None => Ok(()),
        Some(i) => {
            let got = format!("{:?} at index {i}", source[i]);
            let expected = if source[i].is_finite() { "numbers that f32 can hold" } else { "finite numbers" };
            Err(Error::expected(Code::NotFinite, name, expected, got))
        }
    }
}

/// `value` as a `T`, which has to hold it.
fn scalar<T: Scalar>(name: &str, value: f64) -> Result<T> {
    let held = T::of(value);
    let expected = || format!("a number that {} can hold", T::NAME);
    if held.is_finite() {
        Ok(held)
    } else {
        Err(Error::expected(Code::NotFinite, name, expected(), format!("{value:?}")))
    }
}

/// x ← αx; an α beyond the range of `T` multiplies in double precision.
fn scale<T: Scalar>(alpha: f64, x: &mut [T]) {
    let factor = T::of(alpha);
    if factor.is_normal() || alpha == 0.0 {
        vector::scale(factor, x);
    } else {
        x.iter_mut().for_each(|x| *x = T::of(alpha * x.wide()));
    }
}

/// A bound beyond the range of `T` makes no entry infinite.
fn clamp<T: Scalar>(low: f64, high: f64, x: &mut [T]) {
    let (low, high) = (T::of(low).min(T::max_value()), T::of(high).max(-T::max_value()));
    x.iter_mut().for_each(|x| *x = x.max(low).min(high));
}

fn dtype(entries: &Entries) -> &'static str {
    match entries {
        Entries::F32(_) => f32::NAME,
        Entries::F64(_) => f64::NAME,
    }
}

/// The error for another scalar type than there are.
pub(crate) fn unknown_dtype(dtype: &str) -> Error {
    Error::expected(Code::Dtype, "dtype", "\"f32\" or \"f64\"", format!("\"{dtype}\""))
}

impl Vector {
    /// Zeros; `dtype` is `"f32"` or `"f64"`. `ERR_MEMORY` where there is no room for them.
    pub fn new(length: usize, dtype: &str) -> Result<Self> {
        match dtype {
            "f32" => Ok(Self::from_vec(room::<f32>("length", length)?)),
            "f64" => Ok(Self::from_vec(room::<f64>("length", length)?)),
            other => Err(unknown_dtype(other)),
        }
    }

    /// Takes entries over.
    pub fn from_vec<T: Element>(entries: Vec<T>) -> Self {
        Self(Arc::new(Mutex::new(Shared { entries: T::wrap(entries), disposed: false })))
    }

    /// Locks the entries; an argument that is already in use by the same call, or was disposed of, is an error.
    pub(crate) fn lock(&self, name: &str) -> Result<Guard<'_>> {
        let guard = match self.0.try_lock() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(e)) => e.into_inner(),
            Err(TryLockError::WouldBlock) => {
                let (expected, got) = ("a vector of its own", "one that this call already uses");
                return Err(Error::expected(Code::Range, name, expected, got));
            }
        };
        if guard.disposed { Err(Error::disposed(name)) } else { Ok(Guard(guard)) }
    }

    /// Number of entries.
    pub fn length(&self) -> Result<usize> {
        Ok(each!(&*self.lock("vector")?, x => x.len()))
    }

    /// `"f32"` or `"f64"`.
    pub fn dtype(&self) -> Result<String> {
        Ok(dtype(&*self.lock("vector")?).to_owned())
    }

    /// A copy of the entries, rounded to `T`.
    pub fn read<T: Element>(&self) -> Result<Vec<T>> {
        each!(&*self.lock("vector")?, x => {
            let mut entries = reserved("vector", x.len())?;
            entries.extend(x.iter().map(|x| T::of(x.wide())));
            Ok(entries)
        })
    }

    /// A copy of the entries, rounded to single precision.
    pub fn read_f32(&self) -> Result<Vec<f32>> {
        self.read()
    }

    /// A copy of the entries.
    pub fn read_f64(&self) -> Result<Vec<f64>> {
        self.read()
    }

    fn read_into<T: Element>(&self, target: &mut [T]) -> Result<()> {
        each!(&*self.lock("vector")?, x => {
            length("target", x.len(), target.len())?;
            target.iter_mut().zip(x).for_each(|(target, x)| *target = T::of(x.wide()));
        });
        Ok(())
    }

    /// Fills an array of as many entries with them, rounded to single precision.
    pub fn read_into_f32(&self, target: &mut [f32]) -> Result<()> {
        self.read_into(target)
    }

    /// Fills an array of as many entries with them.
    pub fn read_into_f64(&self, target: &mut [f64]) -> Result<()> {
        self.read_into(target)
    }

    fn write<T: Element>(&self, source: &[T], name: Option<&str>) -> Result<()> {
        let name = name.unwrap_or("source");
        each!(&mut *self.lock("vector")?, x => {
            length(name, x.len(), source.len())?;
            finite(name, source, &x[..])?;
            x.iter_mut().zip(source).for_each(|(x, s)| *x = Scalar::of(s.wide()));
        });
        Ok(())
    }

    /// Copies entries in, rounding to the vector's type; see [`Vector::write_f64`].
    pub fn write_f32(&self, source: &[f32], name: Option<&str>) -> Result<()> {
        self.write(source, name)
    }

    /// Copies entries in, rounding to the vector's type. Entries that are not finite in it (`ERR_NOT_FINITE`) and another
    /// number of them (`ERR_SHAPE`) change nothing; errors call the entries `name`, or `source` where it is absent.
    pub fn write_f64(&self, source: &[f64], name: Option<&str>) -> Result<()> {
        self.write(source, name)
    }

    /// Frees the entries, whoever shares them: the vector is `ERR_DISPOSED` from then on.
    pub fn dispose(&self) {
        let mut shared = self.0.lock().unwrap_or_else(|e| e.into_inner());
        *shared = Shared { entries: Entries::F32(Vec::new()), disposed: true };
    }

    /// Bytes of the entries.
    pub(crate) fn bytes(&self) -> usize {
        let bytes = |entries: &Entries| each!(entries, x => size_of_val(&x[..]));
        self.lock("vector").map_or(0, |guard| bytes(&guard))
    }

    /// Sets every entry; `ERR_NOT_FINITE` unless the vector's type holds `value`.
    pub fn fill(&self, value: f64) -> Result<()> {
        each!(&mut *self.lock("vector")?, x => x.fill(scalar("value", value)?));
        Ok(())
    }

    /// this ← this + alpha · x; `ERR_NOT_FINITE` unless the vector's type holds `alpha`.
    pub fn axpy(&self, alpha: f64, x: &Vector) -> Result<()> {
        self.with(x, |y, x| {
            match (y, x) {
                (Entries::F32(y), Entries::F32(x)) => vector::axpy(scalar("alpha", alpha)?, x, y),
                (Entries::F64(y), Entries::F64(x)) => vector::axpy(scalar("alpha", alpha)?, x, y),
                _ => unreachable!("`with` checks the types"),
            }
            Ok(())
        })?
    }

    /// this ← alpha · this, where a single-precision vector takes any factor that double precision holds.
    pub fn scale(&self, alpha: f64) -> Result<()> {
        scalar::<f64>("alpha", alpha)?;
        each!(&mut *self.lock("vector")?, x => scale(alpha, x));
        Ok(())
    }

    /// this ← x.
    pub fn copy_from(&self, x: &Vector) -> Result<()> {
        // Into the room that is there: a copy of the enum would allocate anew.
        self.with(x, |y, x| match (y, x) {
            (Entries::F32(y), Entries::F32(x)) => y.clone_from(x),
            (Entries::F64(y), Entries::F64(x)) => y.clone_from(x),
            _ => unreachable!("`with` checks the types"),
        })
    }

    /// Entries below `low` become `low`, entries above `high` become `high`. Where `low` is −∞, or `high` is ∞, there is
    /// no such bound.
    pub fn clamp(&self, low: f64, high: f64) -> Result<()> {
        if low > high || low.is_nan() || high.is_nan() {
            return Err(Error::expected(Code::Range, "low", format!("at most high = {high}"), low));
        }
        let bound = |name, x: f64, none| if x == none { Ok(()) } else { scalar::<f64>(name, x).map(|_| ()) };
        bound("low", low, f64::NEG_INFINITY)?;
        bound("high", high, f64::INFINITY)?;
        each!(&mut *self.lock("vector")?, x => clamp(low, high, x));
        Ok(())
    }

    /// Inner product.
    pub fn dot(&self, x: &Vector) -> Result<f64> {
        if Arc::ptr_eq(&self.0, &x.0) {
            return Ok(each!(&*self.lock("vector")?, x => vector::dot(x, x).wide()));
        }
        self.with(x, |y, x| match (&*y, x) {
            (Entries::F32(y), Entries::F32(x)) => vector::dot(x, y).wide(),
            (Entries::F64(y), Entries::F64(x)) => vector::dot(x, y),
            _ => unreachable!("`with` checks the types"),
        })
    }

    /// ‖this‖₂, without overflow or underflow of the squares.
    pub fn norm(&self) -> Result<f64> {
        Ok(each!(&*self.lock("vector")?, x => vector::norm(x).wide()))
    }

    /// Whether every entry is finite.
    pub fn is_finite(&self) -> Result<bool> {
        Ok(each!(&*self.lock("vector")?, x => vector::all_finite(x)))
    }

    /// Runs `body` on this vector and another of the same length and type.
    fn with<R>(&self, x: &Vector, body: impl FnOnce(&mut Entries, &Entries) -> R) -> Result<R> {
        let mut y = self.lock("vector")?;
        let x = x.lock("x")?;
        length("x", each!(&*y, y => y.len()), each!(&*x, x => x.len()))?;
        if dtype(&y) != dtype(&x) {
            return Err(Error::expected(Code::Dtype, "x", dtype(&y), dtype(&x)));
        }
        Ok(body(&mut y, &x))
    }
}
