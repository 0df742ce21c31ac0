//! An inverse that follows its matrix.

use std::sync::Mutex;

use nhgd_kernels::memory::collected;
use nhgd_kernels::{Scalar, SymmetricInverse};

use crate::error::{count, reserved};
use crate::vector::Element;
use crate::{Code, Error, Result, Vector};

/// A = F⁻¹, half of it stored, while F gains outer products (Sherman–Morrison, Woodbury).
#[derive(Debug)]
pub struct InverseUpdate(Mutex<Inverse>);

#[derive(Debug)]
enum Inverse {
    F32(SymmetricInverse<f32>),
    F64(SymmetricInverse<f64>),
}

/// The inverse in a scalar type, if it is of that.
trait OfInverse: Element {
    fn of_inverse(inverse: &mut Inverse) -> Option<&mut SymmetricInverse<Self>>;
}

impl OfInverse for f32 {
    fn of_inverse(inverse: &mut Inverse) -> Option<&mut SymmetricInverse<Self>> {
        if let Inverse::F32(a) = inverse { Some(a) } else { None }
    }
}

impl OfInverse for f64 {
    fn of_inverse(inverse: &mut Inverse) -> Option<&mut SymmetricInverse<Self>> {
        if let Inverse::F64(a) = inverse { Some(a) } else { None }
    }
}

impl InverseUpdate {
    /// A = scale · I, d × d; passes over it use up to `threads` threads where d is large.
    pub fn new(d: usize, scale: f64, dtype: &str, threads: usize) -> Result<Self> {
        count("d", d)?;
        count("threads", threads)?;
        if !(scale > 0.0 && scale.is_finite()) {
            return Err(Error::expected(Code::Range, "scale", "a number > 0", scale));
        }
        fn identity<T: Scalar>(d: usize, scale: f64, threads: usize) -> Result<SymmetricInverse<T>> {
            // Half of A, as it is about to be stored.
            reserved::<T>("d", d.saturating_mul(d.saturating_add(1)) / 2)?;
            let mut inverse = SymmetricInverse::identity(d, T::of(scale))?;
            inverse.set_threads(threads);
            Ok(inverse)
        }
        Ok(Self(Mutex::new(match dtype {
            "f32" => Inverse::F32(identity(d, scale, threads)?),
            "f64" => Inverse::F64(identity(d, scale, threads)?),
            other => return Err(crate::vector::unknown_dtype(other)),
        })))
    }

    fn with<T: OfInverse, R>(&self, body: impl FnOnce(&mut SymmetricInverse<T>) -> Result<R>) -> Result<R> {
        let mut inverse = self.0.lock().unwrap_or_else(|e| e.into_inner());
        let wrong = || Error::expected(Code::Dtype, "vector", "the inverse's scalar type", T::NAME);
        body(T::of_inverse(&mut inverse).ok_or_else(wrong)?)
    }

    fn dim(&self) -> usize {
        match &*self.0.lock().unwrap_or_else(|e| e.into_inner()) {
            Inverse::F32(a) => a.dim(),
            Inverse::F64(a) => a.dim(),
        }
    }

    /// Bytes of the half that is stored.
    pub(crate) fn bytes(&self) -> usize {
        let (d, size) = match &*self.0.lock().unwrap_or_else(|e| e.into_inner()) {
            Inverse::F32(a) => (a.dim(), size_of::<f32>()),
            Inverse::F64(a) => (a.dim(), size_of::<f64>()),
        };
        d * (d + 1) / 2 * size
    }

    /// A⁺ = (1/β)[A − γ(Ag)(Ag)ᵀ / (β + γ gᵀAg)]; about d² flops and one reading of half of A.
    pub fn update(&self, g: &Vector, beta: f64, gamma: f64) -> Result<()> {
        weights(beta, &[gamma])?;
        operands!(T of g; g: [self.dim()] => self.with(|a: &mut SymmetricInverse<T>| {
            a.update(g, T::of(beta), T::of(gamma))?.map(|_| ()).map_err(indefinite)
        }))
    }

    /// The same for k known gradients at once, rows of `g`, F⁺ = βF + Σ w_j g_j g_jᵀ.
    pub fn update_many(&self, g: &Vector, beta: f64, w: &[f64]) -> Result<()> {
        weights(beta, w)?;
        operands!(T of g; g: [self.dim(), w.len()] => {
            let w: Vec<T> = collected(w.iter().map(|&w| T::of(w)))?;
            self.with(|a: &mut SymmetricInverse<T>| a.update_many(g, T::of(beta), &w)?.map_err(indefinite))
        })
    }

    /// y ← A x.
    pub fn multiply(&self, x: &Vector, y: &Vector) -> Result<()> {
        let d = self.dim();
        operands!(T of y; x: [d], y: [d] => self.with(|a: &mut SymmetricInverse<T>| {
            Ok(a.multiply(x, y)?)
        }))
    }
}

fn indefinite(error: nhgd_kernels::Indefinite) -> Error {
    Error { code: Code::Numeric, message: error.to_string() }
}

fn weights(beta: f64, gammas: &[f64]) -> Result<()> {
    if !(beta > 0.0 && beta.is_finite()) {
        return Err(Error::expected(Code::Range, "beta", "a number > 0", beta));
    }
    match gammas.iter().find(|g| !(**g >= 0.0 && g.is_finite())) {
        Some(gamma) => Err(Error::expected(Code::Range, "gamma", "numbers ≥ 0", gamma)),
        None => Ok(()),
    }
}
