//! The samples that are held: a ring of per-sample factors.

use nhgd_curvature::{Factors, LayerFactors, LayerShape, Outputs};
use nhgd_kernels::memory::{Result as Fallible, grow, joined, zeros};
use nhgd_kernels::{MatRef, Scalar};

use crate::check::Saved;
use crate::moments::layer_diagonal;
use crate::wide::{narrow, widen, widen_all};
use crate::{FisherError, State};

/// The last `capacity` samples.
pub(super) struct Held<T> {
    capacity: usize,
    pub shapes: Vec<LayerShape>,
    /// A ring whose oldest sample is `next` once it is full; the rows of the layers stand in the same order.
    pub factors: Factors<T>,
    next: usize,
}

impl<T: Scalar> Held<T> {
    pub fn new(shapes: &[LayerShape], capacity: usize) -> Self {
        let layers = vec![LayerFactors::new(Vec::new(), Vec::new()); shapes.len()];
        let factors = Factors { layers, ..Factors::default() };
        Self { capacity, shapes: shapes.to_vec(), factors, next: 0 }
    }

    /// The same without samples.
    pub fn empty(&self) -> Self {
        Self::new(&self.shapes, self.capacity)
    }

    /// Samples held.
    pub fn len(&self) -> usize {
        self.factors.weights.len()
    }

    /// Number of parameters d.
    pub fn parameters(&self) -> usize {
        self.shapes.iter().map(|shape| shape.inputs * shape.outputs).sum()
    }

    /// Whether there is one layer, with one direction per sample and without weight sharing.
    pub fn has_columns(&self) -> bool {
        let Factors { directions, layers, .. } = &self.factors;
        layers.len() == 1 && *directions == 1 && layers[0].positions == 1
    }

    /// X and E of that layer.
    pub fn columns(&self) -> (MatRef<'_, T>, MatRef<'_, T>) {
        let (n, LayerShape { inputs, outputs }) = (self.len(), self.shapes[0]);
        let layer = &self.factors.layers[0];
        (MatRef::new(&layer.inputs, n, inputs), MatRef::new(&layer.outputs, n, outputs))
    }

    /// Parameters of each layer.
    pub fn spans(&self) -> Vec<std::ops::Range<usize>> {
        let mut start = 0;
        let span = |shape: &LayerShape| {
            start += shape.inputs * shape.outputs;
            start - shape.inputs * shape.outputs..start
        };
        self.shapes.iter().map(span).collect()
    }

    /// diag F.
    pub fn diagonal(&self) -> Fallible<Vec<T>> {
        let Factors { weights, directions, layers } = &self.factors;
        let layer = |(layer, &shape): (&LayerFactors<T>, &LayerShape)| match self.len() {
            0 => zeros(shape.inputs * shape.outputs),
            _ => layer_diagonal(weights, *directions, layer, shape, None),
        };
        joined(&layers.iter().zip(&self.shapes).map(layer).collect::<Fallible<Vec<_>>>()?)
    }

    /// Takes samples in the place of the oldest ones. On an error nothing changes.
    pub fn take(&mut self, factors: &Factors<T>) -> Result<(), FisherError> {
        let (m, k) = (factors.weights.len(), factors.directions);
        let kind = |layer: &LayerFactors<T>| (layer.positions, layer.form);
        let kinds = || factors.layers.iter().map(kind);
        if self.len() > 0
            && (k != self.factors.directions || self.factors.layers.iter().map(kind).ne(kinds()))
        {
            let expected =
                format!("{} directions and the layers' positions as before", self.factors.directions);
            return Err(FisherError::Shape { expected, got: format!("{k} directions or other positions") });
        }
        let more = self.capacity.min(self.len().saturating_add(m)) - self.len();
        grow(&mut self.factors.weights, more)?;
        for ((layer, from), shape) in self.factors.layers.iter_mut().zip(&factors.layers).zip(&self.shapes) {
            grow(&mut layer.inputs, more * from.positions * shape.inputs)?;
            grow(&mut layer.outputs, more * from.output_width(k, shape.outputs))?;
        }
        if self.len() == 0 {
            self.factors.directions = k;
            for (layer, from) in self.factors.layers.iter_mut().zip(kinds()) {
                (layer.positions, layer.form) = from;
            }
        }
        // Only the last `capacity` samples of a larger observation have a place.
        for i in m.saturating_sub(self.capacity)..m {
            let slot = self.next;
            put(&mut self.factors.weights, &factors.weights, slot, i, 1);
            for (l, shape) in self.shapes.iter().enumerate() {
                let (into, from) = (&mut self.factors.layers[l], &factors.layers[l]);
                put(&mut into.inputs, &from.inputs, slot, i, from.positions * shape.inputs);
                put(&mut into.outputs, &from.outputs, slot, i, from.output_width(k, shape.outputs));
            }
            self.next = (slot + 1) % self.capacity;
        }
        Ok(())
    }

    /// Entries of [`crate::Fisher::state`].
    pub fn state(&self) -> Fallible<State> {
        let layers = &self.factors.layers;
        let softmax = |layer: &LayerFactors<T>| f64::from(u8::from(layer.form == Outputs::Softmax));
        Ok(vec![
            ("directions", vec![self.factors.directions as f64]),
            ("next", vec![self.next as f64]),
            ("weights", widen(&self.factors.weights)?),
            ("positions", layers.iter().map(|layer| layer.positions as f64).collect()),
            ("softmax", layers.iter().map(softmax).collect()),
            ("inputs", widen_all(&layers.iter().map(|layer| &layer.inputs[..]).collect::<Vec<_>>())?),
            ("outputs", widen_all(&layers.iter().map(|layer| &layer.outputs[..]).collect::<Vec<_>>())?),
        ])
    }

    /// What [`Held::state`] gave.
    pub fn restored(&self, state: &Saved) -> Result<Self, FisherError> {
        let mut held = self.empty();
        held.factors.weights = state.scalars("weights", &|n| n <= self.capacity)?;
        held.factors.directions = state.number("directions")? as usize;
        held.next = state.place("next", held.len(), self.capacity)?;
        let per_layer = |name| state.values(name, &|n| n == self.shapes.len());
        let kinds = per_layer("positions")?.iter().zip(per_layer("softmax")?);
        let mut sizes = Vec::new();
        let (n, k) = (held.len(), held.factors.directions);
        for ((layer, shape), (&positions, &softmax)) in
            held.factors.layers.iter_mut().zip(&self.shapes).zip(kinds)
        {
            if positions < 1.0 {
                return Err(FisherError::range("state", "\"positions\" of at least 1", positions));
            }
            layer.positions = positions as usize;
            layer.form = if softmax == 0.0 { Outputs::Gradients } else { Outputs::Softmax };
            sizes.push((n * layer.positions * shape.inputs, n * layer.output_width(k, shape.outputs)));
        }
        let total = |size: fn(&(usize, usize)) -> usize| sizes.iter().map(size).sum::<usize>();
        let inputs = state.values("inputs", &|n| n == total(|size| size.0))?;
        let outputs = state.values("outputs", &|n| n == total(|size| size.1))?;
        let (mut a, mut s) = (0, 0);
        for (layer, size) in held.factors.layers.iter_mut().zip(sizes) {
            layer.inputs = narrow(&inputs[a..a + size.0])?;
            layer.outputs = narrow(&outputs[s..s + size.1])?;
            (a, s) = (a + size.0, s + size.1);
        }
        Ok(held)
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        let layer = |l: &LayerFactors<T>| size_of_val(&l.inputs[..]) + size_of_val(&l.outputs[..]);
        self.factors.layers.iter().map(layer).sum()
    }
}

/// Sample `i` of `from` to place `slot` of a ring, `width` entries each.
fn put<T: Scalar>(ring: &mut Vec<T>, from: &[T], slot: usize, i: usize, width: usize) {
    let sample = &from[i * width..][..width];
    if slot * width == ring.len() {
        ring.extend_from_slice(sample);
    } else {
        ring[slot * width..][..width].copy_from_slice(sample);
    }
}
