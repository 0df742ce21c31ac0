//! A network as its layers.

use std::ops::Range;

use nhgd_curvature::LayerShape;
use nhgd_kernels::memory::Result;
use nhgd_kernels::{Activation, MatRef, Scalar, for_chunks};

use super::image::{Convolution, Image, Pooling};
use super::layer::Layer;
use crate::Loss;
use crate::pool::Pool;

/// Samples per chunk, the unit that threads share, of a network without convolutions.
const CHUNK: usize = 512;
/// Chunks whose values at all layers are held at once.
const HELD: usize = 2;
/// The same of a network with convolutions, whose chunks are as many samples as have some [`SUMS`] sums of convolutions.
const SUMS: usize = 1 << 17;
const HELD_OF_IMAGES: usize = 8;

/// A network of convolutions, if any, and dense layers.
#[derive(Debug)]
pub struct Network<T: Scalar> {
    pub(super) layers: Vec<Layer>,
    pub(super) pooling: Pooling,
    pub(super) activation: Activation,
    pub(super) loss: Loss,
    pub(super) threads: usize,
    /// Samples per chunk, and per block of chunks.
    sizes: [usize; 2],
    pub(super) memory: Pool<T>,
}

impl<T: Scalar> Network<T> {
    /// A perceptron from `features` inputs over `hidden` layers to `classes` outputs; without hidden layers it is a
    /// linear model. `threads` is the most that a pass over many samples may use.
    ///
    /// It keeps the working memory of its largest call, some 3 · 1024 · (sum of all widths) entries.
    pub fn perceptron(
        features: usize,
        hidden: &[usize],
        classes: usize,
        activation: Activation,
        loss: Loss,
        threads: usize,
    ) -> Self {
        let widths = [&[features], hidden, &[classes]].concat();
        assert!(widths.iter().all(|&units| units > 0), "every layer has units");
        let layers: Vec<_> = widths.windows(2).map(|pair| Layer::dense(pair[0], pair[1])).collect();
        let sizes = [CHUNK, HELD * CHUNK];
        let (pooling, memory) = (Pooling::Max, Pool::default());
        Self { layers, pooling, activation, loss, threads, sizes, memory }
    }

    /// A network from an image over `convolutions`, each with its activation and pooling, then a perceptron from their
    /// last image on; nothing where a window does not fit into its image.
    pub fn convolutional(
        mut image: Image,
        convolutions: &[Convolution],
        pooling: Pooling,
        hidden: &[usize],
        classes: usize,
        activation: Activation,
        loss: Loss,
        threads: usize,
    ) -> Option<Self> {
        let mut layers = Vec::new();
        for &by in convolutions {
            let (layer, next) = Layer::convolution(image, by)?;
            layers.push(layer);
            image = next;
        }
        let mut network = Self::perceptron(image.len(), hidden, classes, activation, loss, threads);
        let chunk = layers.iter().map(Layer::sums).sum::<usize>();
        if let Some(chunk) = SUMS.checked_div(chunk).map(|chunk| chunk.clamp(1, CHUNK)) {
            network.sizes = [chunk, HELD_OF_IMAGES * chunk];
        }
        layers.append(&mut network.layers);
        Some(Self { layers, pooling, ..network })
    }

    /// Number of layers.
    pub(super) fn depth(&self) -> usize {
        self.layers.len()
    }

    pub(super) fn outputs(&self) -> usize {
        self.layers[self.depth() - 1].shape.outputs
    }

    /// W̄_l of every layer.
    pub(super) fn matrices<'t>(&self, theta: &'t [T]) -> Vec<MatRef<'t, T>> {
        let mut rest = theta;
        let split = |LayerShape { inputs, outputs }| {
            let (layer, tail) = rest.split_at(inputs * outputs);
            rest = tail;
            MatRef::new(layer, inputs, outputs)
        };
        self.layers.iter().map(|layer| layer.shape).map(split).collect()
    }

    /// Calls `body` with each chunk of a block.
    pub(super) fn chunks<R: Send>(
        &self,
        block: Range<usize>,
        body: impl Fn(Range<usize>) -> Result<R> + Sync,
    ) -> Result<Vec<R>> {
        for_chunks(block.len(), self.sizes[0], self.threads, |_, range| {
            body(block.start + range.start..block.start + range.end)
        })
    }

    /// Ranges of samples whose values are held at once.
    pub(super) fn blocks(&self, n: usize) -> impl Iterator<Item = Range<usize>> + use<T> {
        let block = self.sizes[1];
        (0..n).step_by(block).map(move |start| start..(start + block).min(n))
    }
}
