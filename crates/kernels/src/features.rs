//! Data sets in the type in which they were given. They are widened to the scalar type tile by tile.

use pulp::{Simd, WithSimd};

use crate::entries::Entries;
use crate::pages::enlarge;
use crate::simd::{dispatch, prefetch};
use crate::{Scalar, tuning};

/// Features in the type in which they were given.
#[derive(Clone, Debug)]
pub enum FeatureData {
    /// Bytes, such as pixels.
    U8(Entries<u8>),
    /// Single precision.
    F32(Entries<f32>),
    /// Double precision.
    F64(Entries<f64>),
}

impl FeatureData {
    /// Number of entries.
    pub fn len(&self) -> usize {
        match self {
            Self::U8(x) => x.len(),
            Self::F32(x) => x.len(),
            Self::F64(x) => x.len(),
        }
    }
    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A row-major `rows × cols` matrix, one sample per row. Its values are the stored entries times `scale`.
#[derive(Clone, Debug)]
pub struct Features {
    data: FeatureData,
    rows: usize,
    cols: usize,
    scale: f64,
}

/// Which rows of a data set a batch consists of.
#[derive(Clone, Copy, Debug)]
pub enum RowSet<'a> {
    /// Rows `start..end`.
    Range {
        /// First row.
        start: usize,
        /// One past the last row.
        end: usize,
    },
    /// The listed rows, in that order; repetitions count.
    Indices(&'a [u32]),
}

impl RowSet<'_> {
    /// All of `n` rows.
    pub fn all(n: usize) -> Self {
        Self::Range { start: 0, end: n }
    }
    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Range { start, end } => end - start,
            Self::Indices(rows) => rows.len(),
        }
    }
    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The `i`-th row's index in the data set.
    pub fn get(&self, i: usize) -> usize {
        match self {
            Self::Range { start, end } => {
                assert!(i < end - start);
                start + i
            }
            Self::Indices(rows) => rows[i] as usize,
        }
    }
    /// The rows at `range` of this set.
    pub fn slice(&self, range: std::ops::Range<usize>) -> Self {
        match self {
            Self::Range { start, end } => {
                assert!(range.start <= range.end && range.end <= end - start);
                Self::Range { start: start + range.start, end: start + range.end }
            }
            Self::Indices(rows) => Self::Indices(&rows[range]),
        }
    }
}

impl Features {
    /// Owns `data`, which holds `rows · cols` entries, row-major. Panics on another length.
    pub fn new(data: FeatureData, rows: usize, cols: usize, scale: f64) -> Self {
        assert_eq!(data.len(), rows * cols, "features must fill rows × cols");
        match &data {
            FeatureData::U8(Entries::Own(x)) => enlarge(x),
            FeatureData::F32(Entries::Own(x)) => enlarge(x),
            FeatureData::F64(Entries::Own(x)) => enlarge(x),
            #[cfg(not(target_family = "wasm"))]
            _ => (),
        }
        Self { data, rows, cols, scale }
    }
    /// Number of samples.
    pub fn rows(&self) -> usize {
        self.rows
    }
    /// Number of features of a sample.
    pub fn cols(&self) -> usize {
        self.cols
    }
    /// Factor between stored entries and values.
    pub fn scale(&self) -> f64 {
        self.scale
    }
    /// The stored entries.
    pub fn data(&self) -> &FeatureData {
        &self.data
    }
    /// Memory of its own that the matrix takes, in bytes.
    pub fn bytes(&self) -> usize {
        match &self.data {
            FeatureData::U8(x) => x.bytes(),
            FeatureData::F32(x) => x.bytes(),
            FeatureData::F64(x) => x.bytes(),
        }
    }
    /// Row and column of the first entry that is infinite or NaN.
    pub fn first_non_finite(&self) -> Option<(usize, usize)> {
        let at = match &self.data {
            FeatureData::U8(_) => None,
            FeatureData::F32(x) => x.iter().position(|x| !x.is_finite()),
            FeatureData::F64(x) => x.iter().position(|x| !x.is_finite()),
        }?;
        Some((at / self.cols, at % self.cols))
    }

    /// Gathers `rows` into `tile`. Row r starts at `r · stride` and holds the scaled values, then a 1 if `bias` is set,
    /// then zeros up to `stride` (see [`crate::skinny::stride`]).
    pub fn widen<T: Scalar>(&self, rows: RowSet<'_>, bias: bool, tile: &mut [T], stride: usize) {
        assert!(stride >= self.cols + usize::from(bias) && tile.len() >= rows.len() * stride);
        let tile = &mut tile[..rows.len() * stride];
        let (cols, scale) = (self.cols, T::of(self.scale));
        match &self.data {
            FeatureData::U8(x) => dispatch(Gather { x, cols, rows, scale, bias, tile, stride }),
            FeatureData::F32(x) => dispatch(Gather { x, cols, rows, scale, bias, tile, stride }),
            FeatureData::F64(x) => dispatch(Gather { x, cols, rows, scale, bias, tile, stride }),
        }
    }
}

/// The stored type of an entry.
trait Entry: Copy + Into<f64> {
    /// out = x · scale.
    #[inline(always)]
    fn widen<T: Scalar>(x: &[Self], scale: T, out: &mut [T]) {
        T::widen(x, scale, out);
    }
}

impl Entry for u8 {
    #[inline(always)]
    fn widen<T: Scalar>(x: &[Self], scale: T, out: &mut [T]) {
        T::widen_bytes(x, scale, out);
    }
}

impl Entry for f32 {}

impl Entry for f64 {}

struct Gather<'a, X, T> {
    x: &'a [X],
    cols: usize,
    rows: RowSet<'a>,
    scale: T,
    bias: bool,
    tile: &'a mut [T],
    stride: usize,
}

impl<X: Entry, T: Scalar> WithSimd for Gather<'_, X, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { x, cols, rows, scale, bias, tile, stride } = self;
        let ahead = tuning::rows_ahead(cols * size_of::<X>());
        for (i, out) in tile.chunks_exact_mut(stride).enumerate() {
            if i + ahead < rows.len() {
                let row = rows.get(i + ahead);
                prefetch(&x[row * cols..(row + 1) * cols]);
            }
            let row = rows.get(i);
            let (values, rest) = out.split_at_mut(cols);
            X::widen(&x[row * cols..(row + 1) * cols], scale, values);
            rest.fill(T::zero());
            if bias {
                rest[0] = T::one();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::naive;
    use crate::simd::on_each_level;
    use crate::skinny;

    fn widens<T: Scalar>(data: FeatureData, entry: impl Fn(usize) -> f64) {
        let n = 7;
        let cols = data.len() / n;
        let features = Features::new(data, n, cols, 1.0 / 255.0);
        let picked = RowSet::Indices(&[6, 0, 3, 3]);
        for rows in [picked, RowSet::all(n), RowSet::all(n).slice(2..5), picked.slice(1..3)] {
            for bias in [false, true] {
                let stride = skinny::stride(cols + usize::from(bias));
                let mut tile = vec![T::nan(); rows.len() * stride + 3];
                features.widen(rows, bias, &mut tile, stride);
                for r in 0..rows.len() {
                    for p in 0..stride {
                        let expected = match p {
                            p if p < cols => T::of(entry(rows.get(r) * cols + p)) * T::of(1.0 / 255.0),
                            p if bias && p == cols => T::one(),
                            _ => T::zero(),
                        };
                        assert_eq!(tile[r * stride + p], expected);
                    }
                }
                assert!(tile[rows.len() * stride..].iter().all(|x| x.is_nan()), "nothing beyond the rows");
            }
        }
    }

    #[test]
    fn widens_rows_of_any_type_and_length() {
        on_each_level(|_| {
            for cols in naive::lengths().filter(|cols| (1..300).contains(cols)) {
                let bytes: Vec<u8> = (0..7 * cols).map(|i| (i * i + 31 * i) as u8).collect();
                let singles: Vec<f32> = naive::numbers(7 * cols, 1);
                let doubles: Vec<f64> = naive::numbers(7 * cols, 2);
                widens::<f32>(FeatureData::U8(bytes.clone().into()), |i| f64::from(bytes[i]));
                widens::<f64>(FeatureData::U8(bytes.clone().into()), |i| f64::from(bytes[i]));
                widens::<f32>(FeatureData::F32(singles.clone().into()), |i| f64::from(singles[i]));
                widens::<f64>(FeatureData::F32(singles.clone().into()), |i| f64::from(singles[i]));
                widens::<f32>(FeatureData::F64(doubles.clone().into()), |i| doubles[i]);
                widens::<f64>(FeatureData::F64(doubles.clone().into()), |i| doubles[i]);
            }
        });
    }

    #[test]
    fn names_the_first_entry_that_is_not_finite() {
        let mut x = vec![0.5; 12];
        assert_eq!(Features::new(FeatureData::F64(x.clone().into()), 3, 4, 1.0).first_non_finite(), None);
        x[6] = f64::NAN;
        x[9] = f64::INFINITY;
        assert_eq!(Features::new(FeatureData::F64(x.into()), 3, 4, 1.0).first_non_finite(), Some((1, 2)));
    }
}
